"""Korean particles after whatever stands before them: Hangul, hostnames, numbers, units.

In: text with markers such as `[이/가]`. Out: the same text with the form that the sound before it asks for. A Latin word is judged
by how it is read aloud in Korean: by its last syllable when it reads as a word, by the name of its last letter when it is spelled.
"""

import re

_MARK = re.compile(r"\[(이/가|은/는|을/를|과/와|으로/로|이나/나|이라/라|이어서/여서|이고/고|입니다/입니다)\]")
_SKIP = "\"'`’”»)]}.,:; "
_DIGIT_FINAL = {"0": "ㅇ", "1": "ㄹ", "2": "", "3": "ㅁ", "4": "", "5": "", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ", "9": ""}
_LETTER_FINAL = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ", "r": "ㄹ"}  # 엘, 엠, 엔, 알; all other letter names end in a vowel
_READ_AS = {
    "ms": "", "s": "", "mb": "", "gb": "", "kb": "", "tb": "", "utc": "", "kst": "", "cpu": "", "ram": "ㅁ", "url": "ㄹ", "api": "",
    "hub": "", "job": "ㅂ", "web": "ㅂ", "lab": "ㅂ", "app": "ㅂ", "log": "", "boot": "", "root": "", "host": "", "queue": "",
    "steal": "ㄹ", "swap": "ㅂ", "disk": "", "redis": "", "nginx": "", "etcd": "", "mysql": "ㄹ", "postgresql": "ㄹ",
    "vm": "ㅁ", "dns": "", "load": "", "bot": "ㅅ", "net": "ㅅ", "mail": "ㄹ", "main": "ㄴ", "replica": "", "node": "", "site": "",
}  # fmt: skip
_SHORT_STOPS = re.compile(r"(?<![aeiou])[aeiou](?:ck|pp|tt|[pktc])$")  # rack, app, net: one short vowel, then a stop


def _hangul_final(char: str) -> str:
    offset = (ord(char) - 0xAC00) % 28
    return "" if offset == 0 else ("ㄹ" if offset == 8 else "ㄱ")


def _word_final(word: str) -> str:
    lower = word.lower()
    if lower in _READ_AS:
        return _READ_AS[lower]
    spelled = word.isupper() or not re.search(r"[aeiouy]", lower)
    if spelled:
        return _LETTER_FINAL.get(lower[-1], "")
    if lower.endswith("ng"):
        return "ㅇ"
    if lower[-1] in "lmn":
        return {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ"}[lower[-1]]
    if re.search(r"[aeiou](?:le|me|ne)$", lower):  # file, name, zone: 파일, 네임, 존
        return {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ"}[lower[-2]]
    return "ㅂ" if _SHORT_STOPS.search(lower) else ""


def final_sound(text: str) -> str:
    """The final consonant that `text` ends in when read aloud; "" where it ends in a vowel.

    Only two things matter to a particle: whether there is one, and whether it is ㄹ. A bracketed remark at the end is skipped, as
    the particle belongs to what stands before it.
    """
    rest = text.rstrip(_SKIP) if not text.endswith(")") else _before_brackets(text)
    if not rest:
        return ""
    last = rest[-1]
    if "가" <= last <= "힣":
        return _hangul_final(last)
    if last.isdigit():
        return _DIGIT_FINAL.get(last, "")
    word = re.search(r"[A-Za-z]+$", rest)
    return _word_final(word.group()) if word else ""  # %, °C, / are read 퍼센트, 도, 슬래시


def _before_brackets(text: str) -> str:
    rest = text
    while rest.endswith(")"):
        depth = 0
        for at in range(len(rest) - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(rest[at], 0)
            if depth == 0:
                rest = rest[:at].rstrip(_SKIP.replace(")", ""))
                break
        else:
            return rest.rstrip(_SKIP)
    return rest.rstrip(_SKIP)


def particle(before: str, pair: str) -> str:
    """The form of `pair` ("이/가", "으로/로", …) that follows `before`."""
    with_final, without = pair.split("/")
    final = final_sound(before)
    if pair == "으로/로":
        return without if final in ("", "ㄹ") else with_final
    return with_final if final else without


def resolve(text: str) -> str:
    """Replace every marker in `text` by the right form, from left to right."""
    out: list[str] = []
    at = 0
    for mark in _MARK.finditer(text):
        out.append(text[at : mark.start()])
        out.append(particle("".join(out), mark.group(1)))
        at = mark.end()
    out.append(text[at:])
    return "".join(out)
