"""`GET /`: the built-in page, for a first look without Grafana. One HTML document without scripts, in English or Korean."""

import base64
import hashlib
from functools import cache
from html import escape
from typing import Any
from urllib.parse import quote

from aiohttp import web

from analyzer.api.query import language
from analyzer.api.state import STATE
from analyzer.explain.units import Shown
from analyzer.explain.units import clock as time_of
from analyzer.records import Explanation, Incident
from service.build import VERSION

MOST = 50
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 56rem; padding: 0 1rem }
body { color: #1c2733; background: #fff }
article { border: 1px solid #c9d2dc; border-left-width: .4rem; border-radius: .3rem; margin: 1rem 0; padding: .5rem 1rem }
article.critical { border-left-color: #c4162a }
article.warning { border-left-color: #b35900 }
article.info { border-left-color: #1f60c4 }
h2 { font-size: 1.05rem; margin: .3rem 0 }
nav a { margin-right: 1rem }
small, footer { color: #5a6673 }
@media (prefers-color-scheme: dark) {
  body { color: #d5dde5; background: #14181d }
  a { color: #7eb2ff }
  small, footer { color: #9aa7b4 }
}
"""
WORDS = {
    "calm": Shown("No incident is open.", "열려 있는 인시던트가 없습니다."),
    "open": Shown("Open incidents", "열려 있는 인시던트"),
    "waiting": Shown("Not ready yet", "아직 준비되지 않았습니다"),
    "newest": Shown("Newest cycle at", "최근 주기"),
    "since": Shown("since", "시작"),
    "more": Shown("all of it as JSON", "JSON으로 전체 보기"),
}
LINKS = (
    ("/api/v1/incidents", Shown("incidents", "인시던트")),
    ("/api/v1/findings", Shown("findings", "탐지 결과")),
    ("/api/v1/servers", Shown("servers", "서버")),
    ("/api/v1/readiness", Shown("readiness", "학습 상태")),
    ("/api/v1/suppressions", Shown("suppressions", "알리지 않은 것")),
    ("/api/health", Shown("health", "상태")),
    ("/metrics", Shown("metrics", "메트릭")),
    ("/api/v1/openapi.yaml", Shown("the API", "API 문서")),
)


async def page(request: web.Request) -> web.Response:
    """The page in the language of `lang`, else of the configuration."""
    state, lang = request.app[STATE], language(request)
    found, _ = await state.store.incidents(state="open", limit=MOST)
    board = state.board()
    now = board.time if board else state.now()
    status = f"{_say('newest', lang)} {time_of(now, now).say(lang)}" if board else f"{_say('waiting', lang)}: {state.reason()}"
    body = "".join(_article(incident, words, now, lang) for incident, words in found)
    return web.Response(text=_document(lang, status, body), content_type="text/html", headers={"Content-Security-Policy": policy()})


@cache
def policy() -> str:
    """Nothing is loaded and nothing runs; our own style is known by its hash."""
    known = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{known}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _say(word: str, lang: str) -> str:
    return WORDS[word].say(lang)


def _document(lang: str, status: str, articles: str) -> str:
    links = "".join(f'<a href="{path}">{escape(name.say(lang))}</a>' for path, name in LINKS)
    other, name = ("ko", "한국어") if lang == "en" else ("en", "English")
    main = f"<h2>{_say('open', lang)}</h2>{articles}" if articles else f"<p>{_say('calm', lang)}</p>"
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>openmanager</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="30">'
        f"<style>{STYLE}</style></head><body><h1>openmanager</h1><p><small>{escape(status)}</small></p><main>{main}</main>"
        f'<nav>{links}<a href="/?lang={other}" hreflang="{other}" lang="{other}">{name}</a></nav>'
        f"<footer><p>openmanager analyzer {escape(VERSION)}</p></footer></body></html>"
    )


def _article(incident: Incident, explanation: Explanation | None, now: float, lang: str) -> str:
    texts: Any = explanation.texts if explanation else {}
    words = texts.get(lang) or next(iter(texts.values()), None)
    head = words.headline if words else f"{incident.host}: {incident.kind}"
    since = f"{incident.severity}, {_say('since', lang)} {time_of(incident.started, now).say(lang)}"
    text = f"<p>{escape(' '.join(words.sentences))}</p>" if words else ""
    actions = "".join(f"<li>{escape(action)}</li>" for action in words.actions) if words else ""
    address = f"/api/v1/incidents/{quote(incident.id, safe='')}?lang={lang}"
    return (
        f'<article class="{escape(incident.severity)}"><h2>{escape(head)}</h2><small>{escape(since)}</small>{text}'
        f'{f"<ol>{actions}</ol>" if actions else ""}<p><a href="{escape(address)}">{_say("more", lang)}</a></p></article>'
    )
