"""The sentences of `account.py`, in both languages; markers such as `[이/가]` are resolved when the words before them are known."""

from analyzer.detect.offline import FOREST_ROWS, LIVE_ROWS, TREND_ROWS
from analyzer.explain.units import Shown

SAY = {
    "odd": Shown("{where}{rows} rows over {span} ({first} to {last}) hold {n} that {are} out of the ordinary.",
                 "{where}{span} 동안의 {rows}개 행({first}~{last})에 평소와 다른 값이 {n}개 있습니다."),
    "fine": Shown("{where}{rows} rows over {span} ({first} to {last}) hold nothing out of the ordinary.",
                  "{where}{span} 동안의 {rows}개 행({first}~{last})에 평소와 다른 값이 없습니다."),
    "single": Shown("{where}{rows} rows over {span} ({first} to {last}) hold no single value out of the ordinary.",
                    "{where}{span} 동안의 {rows}개 행({first}~{last})에 하나만 놓고 볼 때 평소와 다른 값은 없습니다."),
    "few": Shown("{where}{rows} can be read, but not judged: single values are judged from {light} rows on.",
                 "{where}{rows}을 읽을 수는 있지만 판단하기에는 부족합니다. 개별 값은 {light}개 행부터 판단합니다."),
    "strange": Shown("{Noun} was furthest off at {at}: {value}, where {usual} is usual in these rows.",
                     "{noun}[은/는] {at}에 {value}[으로/로] 가장 크게 벗어났습니다(이 데이터의 평소 값 {usual})."),
    "rows": Shown("At {at} the columns together do not fit the rest of the rows.",
                  "{at}에는 열들의 조합이 나머지 행과 다릅니다."),
    "range": Shown("{Noun} stayed between {low} and {high}.", "{noun}[은/는] {low}에서 {high} 사이였습니다."),
    "now": Shown("{Noun} is {value}.", "{noun}[은/는] {value}입니다."),
    "rising": Shown("{Noun} rises by {pace} (R² {r2}).", "{noun}[이/가] {pace}씩 오르고 있습니다(R² {r2})."),
    "falling": Shown("{Noun} falls by {pace} (R² {r2}).", "{noun}[이/가] {pace}씩 내리고 있습니다(R² {r2})."),
    "full": Shown("At this rate it reaches 100% in about {left}, around {at}.",
                  "이대로면 약 {left} 뒤인 {at}쯤 100%에 이릅니다."),
    "short": Shown("With {n} not everything was tried: {needs}.", "{n}뿐이라 일부만 살폈습니다. {needs} 행이 필요합니다."),
    "gaps": Shown("{share} of the values are missing.", "값의 {share}[이/가] 비어 있습니다."),
    "do_full": Shown("Make room before {at}: {noun} is {value} and rises by {pace}.",
                     "{at} 전에 여유를 확보하세요. {noun}[이/가] {value}이며 {pace}씩 오르고 있습니다."),
    "do_high": Shown("{Noun} is {value} now: {look}.", "{noun}[이/가] 지금 {value}입니다. {look}."),
    "do_odd": Shown("See what ran at {at} (deployments, jobs, backups) when {noun} went from {usual} to {value}.",
                    "{noun}[이/가] {usual}에서 {value}[으로/로] 바뀐 {at}에 무엇이 실행됐는지(배포, 작업, 백업) 확인하세요."),
    "do_more": Shown("Send at least {live} rows, so that the live detectors can judge them too.",
                     "실시간 탐지기도 판단할 수 있도록 {live}개 이상의 행을 보내세요."),
}  # fmt: skip
LOOK = {
    "cpu": Shown("see who uses it with `ps aux --sort=-pcpu | head`",
                 "`ps aux --sort=-pcpu | head`로 어떤 프로세스가 쓰는지 보세요"),
    "memory": Shown("see who holds it with `ps aux --sort=-rss | head`",
                    "`ps aux --sort=-rss | head`로 어떤 프로세스가 잡고 있는지 보세요"),
    "disk": Shown("see what fills it with `du -xh / | sort -h | tail`",
                  "`du -xh / | sort -h | tail`로 무엇이 채우는지 보세요"),
}  # fmt: skip
ROWS = Shown("{n} rows", "{n}개 행")
ROW = Shown("1 row", "1개 행")
NEEDS = (  # rows that a method needs
    (TREND_ROWS, Shown("trends need {n}", "추세에는 {n}개")),
    (FOREST_ROWS, Shown("combinations of columns need {n}", "열 조합에는 {n}개")),
    (LIVE_ROWS, Shown("the live detectors need {n}", "실시간 탐지기에는 {n}개")),
)
