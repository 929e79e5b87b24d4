"""The sentences of all explanations, English and Korean side by side: neither can be forgotten.

`{name}` is filled in by `words.py`; `[이/가]` becomes the particle that the word before it asks for (`korean.py`).
"""

from collections.abc import Mapping

from analyzer.explain.units import Shown

PHRASES: Mapping[str, Shown] = {
    # headlines
    "head": Shown("{host}: {noun} {reading} since {since}{usual}", "{host}: {since}부터 {noun} {reading}{usual}"),
    "head_short": Shown("{host}: {noun} {reading} since {since}", "{host}: {since}부터 {noun} {reading}"),
    "head_full": Shown(
        "{mount} on {host} will be full in about {ahead} ({reading}, {pace}), around {at}",
        "{host}의 {mount}: 약 {ahead} 뒤 가득 참({reading}, {pace}), {at}쯤",
    ),
    "head_limit": Shown(
        "{host}: {noun} will reach {limit} in about {ahead} ({reading}, {pace}), around {at}",
        "{host}: {noun}[이/가] 약 {ahead} 뒤 {limit}에 도달({reading}, {pace}), {at}쯤",
    ),
    "head_stuck": Shown("{host}: {noun} frozen at {reading} since {since}", "{host}: {since}부터 {noun}[이/가] {reading}에 멈춤"),
    "head_gone": Shown("{host}: no samples of {noun} since {since}", "{host}: {since}부터 {noun} 샘플 없음"),
    "head_down": Shown("{host}: down or unreachable since {since}", "{host}: {since}부터 다운 또는 연결 불가"),
    "head_restart": Shown("{host}: restarted at {since}", "{host}: {since}에 재시작됨"),
    "head_again": Shown("{host}: answers again, was unreachable since {since}", "{host}: 다시 응답함, {since}부터 응답 없었음"),
    "head_strange": Shown("{host}: {noun} unusual since {since}", "{host}: {since}부터 {noun} 이상"),
    "head_over": Shown(
        "{host}: {noun} back to usual at {until}, after {length}", "{host}: {noun} {length} 만에 평소로 복귀({until})"
    ),
    "head_up": Shown("{host}: answers again since {until}, after {length}", "{host}: {length} 만에 다시 응답({until})"),
    "head_new_normal": Shown(
        "{host}: {noun} {reading} is now taken as usual", "{host}: {noun} {reading}[을/를] 새로운 평소 수준으로 판단"
    ),
    "head_ended_gone": Shown("{host}: {noun} no longer sent, incident closed", "{host}: {noun} 수집이 끝나 인시던트 종료"),
    "head_maintenance": Shown(
        "{host}: incident about {noun} closed, planned maintenance", "{host}: {noun} 인시던트 종료(계획된 유지보수)"
    ),
    "and_calm": Shown("{headline}: {calm}", "{headline}: {calm}"),
    # what is observed, what is usual, since when
    "jumped": Shown(
        "{Noun} on {host} jumped at {since}: {reading} now", "{host}의 {noun}[이/가] {since}에 갑자기 올라 지금 {reading}입니다"
    ),
    "dropped": Shown(
        "{Noun} on {host} dropped at {since}: {reading} now", "{host}의 {noun}[이/가] {since}에 갑자기 떨어져 지금 {reading}입니다"
    ),
    "rose": Shown(
        "{Noun} on {host} rose above the usual at {since}: {reading} now",
        "{host}의 {noun}[이/가] {since}부터 평소보다 높아 지금 {reading}입니다",
    ),
    "fell": Shown(
        "{Noun} on {host} fell below the usual at {since}: {reading} now",
        "{host}의 {noun}[이/가] {since}부터 평소보다 낮아 지금 {reading}입니다",
    ),
    "climbs": Shown(
        "{Noun} on {host} reached {reading}, growing since {since}, now by {pace}",
        "{host}의 {noun}[이/가] {since}부터 늘기 시작해 지금 {reading}이며, {pace}씩 늘고 있습니다",
    ),
    "went_off": Shown(
        "{Noun} on {host} went off at {since}: {reading} now", "{host}의 {noun}[이/가] {since}에 벌어져 지금 {reading}입니다"
    ),
    "parted": Shown(
        "{Noun} on {host} moved away from its peers at {since}: {reading} now",
        "{host}의 {noun}[이/가] {since}부터 같은 역할의 다른 서버들과 달라 지금 {reading}입니다",
    ),
    "changed": Shown(
        "{Noun} on {host} became unusual at {since}: {reading} now",
        "{host}의 {noun}[이/가] {since}부터 이상해 지금 {reading}입니다",
    ),
    "returned": Shown(
        "{Noun} on {host} left the usual range at {since} and came back inside: {reading} now",
        "{host}의 {noun}[이/가] {since}부터 평소와 달랐고, 지금은 {reading}[으로/로] 평소 범위 안입니다",
    ),
    "stuck": Shown(
        "{Noun} on {host} froze at {since}, at exactly {reading}; a reading that does not move says nothing about now",
        "{host}의 {noun}[이/가] {since}부터 {reading}에 멈춰 변하지 않습니다. 움직이지 않는 값은 현재 상태를 알려 주지 못합니다",
    ),
    "gone": Shown(
        "{host} has sent no samples of {noun} since {since}; that is not zero, the value is unknown",
        "{host}에서 {since}부터 {noun} 샘플이 오지 않습니다. 값이 영이라는 뜻이 아니라 알 수 없는 상태입니다",
    ),
    "down": Shown(
        "{host} has not answered Prometheus since {since}, for {length}: it is down or cannot be reached; other readings are old",
        "{host}[이/가] {since}부터 {length} 동안 Prometheus에 응답하지 않습니다. 다운 또는 연결 불가이며 다른 지표는 이전 값입니다",
    ),
    "again": Shown(
        "{host} did not answer from {since} on and answers again now",
        "{host}[이/가] {since}부터 응답하지 않다가 지금은 다시 응답합니다",
    ),
    "restarted": Shown("{host} started anew at {at}", "{host}[이/가] {at}에 새로 시작했습니다"),
    "away": Shown(
        "{host} was away from {since} to {at}, for {length}, and started anew",
        "{host}[이/가] {since}부터 {at}까지 {length} 동안 응답이 없다가 새로 시작했습니다",
    ),
    "strange": Shown(
        "{Noun} on {host} left the usual range at {since}; the present value is not known",
        "{host}의 {noun}[이/가] {since}부터 평소와 다르며, 지금 값은 알 수 없습니다",
    ),
    "usual_is": Shown("{usual} is usual at this hour", "이 시간대에는 {usual}[이/가] 보통입니다"),
    "unlearned": Shown("what is usual at this hour is still being learned", "이 시간대의 평소 수준은 아직 학습 중입니다"),
    "usually": Shown(" (usually {usual})", "(평소 {usual})"),
    "usually_in": Shown(", usually {usual}", ", 평소 {usual}"),
    # what is ahead
    "full": Shown(
        "At this pace it is full in about {ahead}, around {at}{window}", "이 속도면 약 {ahead} 뒤, {at}쯤 가득 찹니다{window}"
    ),
    "reach": Shown(
        "At this pace it reaches {limit} in about {ahead}, around {at}{window}",
        "이 속도면 약 {ahead} 뒤, {at}쯤 {limit}에 도달합니다{window}",
    ),
    "window": Shown(" (between {low} and {high})", "({low}에서 {high} 사이)"),
    "window_open": Shown(" ({low} at the earliest)", "(빠르면 {low})"),
    # what moved with it
    "then": Shown("Then {list}", "이어서 {list}"),
    "with": Shown("With it, {list}", "함께 {list}"),
    "before": Shown("Before it, at {at}, {list}", "그에 앞서 {at}에 {list}"),
    "up_to": Shown("{noun} rose to {value}", "{noun}[이/가] {value}[으로/로] 올랐습니다"),
    "down_to": Shown("{noun} fell to {value}", "{noun}[이/가] {value}[으로/로] 떨어졌습니다"),
    "up_and": Shown("{noun} rose to {value}", "{noun}[이/가] {value}[으로/로] 올랐고"),
    "down_and": Shown("{noun} fell to {value}", "{noun}[이/가] {value}[으로/로] 떨어졌고"),
    "up_in": Shown("{noun} to {value}", "{noun}[이/가] {value}[으로/로]"),
    "felt_one": Shown(
        "{host}, which depends on it, is affected: {noun} {value}",
        "이 서버에 의존하는 {host}도 영향을 받아 {noun}[이/가] {value}입니다",
    ),
    "own_usual": Shown(", although its own {reading} stayed as usual", ". {host} 자체의 {reading}[은/는] 평소 수준입니다"),
    "felt_many": Shown("Servers that depend on it are affected: {list}", "이 서버에 의존하는 {list}도 영향을 받고 있습니다"),
    "felt_other": Shown("Also unusual: {list}", "{list}도 평소와 다릅니다"),
    "felt_calm": Shown("It shows on {list} too", "{list}에서도 함께 나타납니다"),
    "was_felt": Shown("{list} felt it too", "{list}도 영향을 받았습니다"),
    "more": Shown("{n} more", "외 {n}대"),
    "unfelt": Shown("What depends on it is not affected so far: {list}", "이 서버에 의존하는 {list}에는 아직 영향이 없습니다"),
    "also_frozen": Shown("Also frozen: {list}", "{list}도 함께 멈췄습니다"),
    "also_gone": Shown("No samples of {list} either", "{list} 샘플도 오지 않습니다"),
    # what did not, and what that rules out
    "same": Shown("stayed as usual", "평소 수준이므로"),
    "not_first": Shown("{List} {same}, so {so}", "{list}[은/는] {same} {so}"),
    "not_next": Shown("; {list} did too, so {so}", ". {list}도 {same} {so}"),
    "peers_fine": Shown(
        "{list} in the same role {same}, so it is this server alone",
        "같은 역할의 {list}[은/는] {same} 이 서버에만 나타나는 현상입니다",
    ),
    "peers_too": Shown(
        "The same shows in the same role on {list}, so look for what they share",
        "같은 역할의 {list}에서도 같은 현상이 보이므로 공통으로 쓰는 것을 살펴봐야 합니다",
    ),
    "needs_fine": Shown("What it depends on {same}: {list}", "이 서버가 의존하는 {list}[은/는] 평소와 같습니다"),
    "needs_too": Shown("What it depends on is unusual too: {list}", "이 서버가 의존하는 {list}도 평소와 다릅니다"),
    "still_come": Shown("Other readings of {host} still arrive: {list}", "{host}의 다른 지표는 계속 들어옵니다: {list}"),
    # how sure
    "cause_gone": Shown(
        "Why it stopped cannot be told: the metric may have been removed or renamed, or what measures it hangs.",
        "멈춘 이유는 알 수 없습니다. 지표가 없어졌거나 이름이 바뀌었거나, 측정하는 쪽이 멈췄을 수 있습니다.",
    ),
    "change": Shown(
        "On record just before, at {at}: “{what}” on {host}, a likely reason but not a proven one",
        "직전인 {at}에 {host}에서 “{what}” 기록이 있어 원인일 수 있으나 확인된 것은 아닙니다",
    ),
    "guess": Shown("The signs are weak, so take this as a guess. {cause}", "징후가 약해 추정에 그칩니다. {cause}"),
    "sure": Shown("confidence {sure}", "확신도 {sure}"),
    "d_learning": Shown("the usual range is still being learned, {value} so far", "평소 범위를 아직 학습 중, 현재 {value}"),
    "d_rival": Shown("{name} on {host} is possible too, {value}", "{host}의 {name} 가능성도 {value}"),
    "d_against": Shown("{noun} on {host} at {reading} speaks against it", "{host}의 {noun} {reading}[은/는] 이와 맞지 않음"),
    "d_missing": Shown("{noun} did not move with it", "{noun}[은/는] 함께 움직이지 않음"),
    "d_alone": Shown("nothing else moved with it", "함께 움직인 지표가 없음"),
    "d_unmapped": Shown("no dependencies are known", "서버 간 의존 관계를 알 수 없음"),
    "d_young": Shown("it has only just begun", "이제 막 시작됨"),
    # how it ended
    "over": Shown(
        "{Noun} on {host} left the usual range at {since} and came back at {until}, after {length}{now}",
        "{host}의 {noun}[이/가] {since}에 평소 범위를 벗어났다가 {length} 만인 {until}에 돌아왔습니다{now}",
    ),
    "over_down": Shown(
        "{host} did not answer from {since} to {until}, for {length}, and answers again",
        "{host}[이/가] {since}부터 {until}까지 {length} 동안 응답하지 않았다가 다시 응답합니다",
    ),
    "over_now": Shown("; {reading} now{usual}", ". 지금은 {reading}{usual}입니다"),
    "new_normal": Shown(
        "{Noun} on {host} changed at {since} and stayed at {reading} long enough to count as usual from now on",
        "{host}의 {noun}[이/가] {since}에 바뀐 뒤 {reading}[을/를] 충분히 오래 유지해, 앞으로는 이 수준을 평소로 봅니다",
    ),
    "ended_gone": Shown(
        "{Noun} on {host} left the usual range at {since}; no samples arrive any more, so whether it recovered is not known",
        "{host}의 {noun}[이/가] {since}부터 평소와 달랐고 더는 수집되지 않아, 회복했는지는 알 수 없습니다",
    ),
    "ended_maintenance": Shown(
        "{Noun} on {host} left the usual range at {since}; a maintenance window covers it, so nothing more is said",
        "{host}의 {noun}[이/가] {since}부터 평소와 달랐으나 유지보수 기간에 해당해 더 알리지 않습니다",
    ),
    "was": Shown("It looked like {name} while it lasted", "당시 양상은 {name}[과/와] 비슷했습니다"),
    "was_unknown": Shown("Why it happened is not known", "원인은 알 수 없습니다"),
    # actions
    "closer": Shown("Look closer in Prometheus: `{query}`", "Prometheus에서 자세히 보기: `{query}`"),
    "if_again": Shown("If it returns: {action}", "다시 나타나면: {action}"),
    "nothing_now": Shown(
        "Nothing is urgent now; write down what helped.", "지금 급한 일은 없습니다. 무엇이 도움이 됐는지 남겨 두세요."
    ),
    "in_maintenance": Shown("Nothing is to be done while the maintenance lasts.", "유지보수 동안 할 일은 없습니다."),
    "if_unwanted": Shown(
        "If this level is not intended, see what changed on {host} at {since}.",
        "의도한 수준이 아니라면 {since}에 {host}에서 바뀐 것을 확인하세요.",
    ),
    "if_removed": Shown(
        'If {host} or this metric was removed on purpose, do nothing; otherwise check its target: `up{instance="{instance}"}`.',
        '{host}[이나/나] 이 지표를 일부러 없앴다면 할 일은 없습니다. 아니라면 타깃을 확인하세요: `up{instance="{instance}"}`.',
    ),
    "see_target": Shown(
        'Check the target and its last scrape error on Prometheus\'s Status → Targets page: `up{instance="{instance}"}`.',
        'Prometheus의 Status → Targets 화면에서 타깃과 마지막 스크레이프 오류를 확인하세요: `up{instance="{instance}"}`.',
    ),
    # alerts of others
    "alert_head": Shown("{name} on {host}: {what}", "{host}의 {name}: {what}"),
    "alert_seen": Shown("{noun} {reading}{usual}, unusual in our data too", "{noun} {reading}{usual}, 측정값에서도 이상 확인"),
    "alert_fine": Shown("{noun} {reading}, usual for this hour", "{noun} {reading}[으로/로] 이 시간대 평소 수준"),
    "alert_also": Shown("other readings of it are unusual", "다른 지표에서 이상 확인"),
    "alert_quiet": Shown("nothing unusual in our data", "측정값에는 이상 없음"),
    "alert_blind": Shown("we have no data about it", "관련 데이터 없음"),
    "alert_story": Shown(
        "The alert {name} fired on {host}, where we see an incident of our own that fits",
        "{host}에서 알림 {name}[이/가] 발생했으며, 같은 서버에서 확인된 인시던트와 맞습니다",
    ),
    "alert_elsewhere": Shown(
        "The alert {name} fired on {host}, which feels an incident that began on {root}",
        "{host}에서 알림 {name}[이/가] 발생했으며, {root}에서 시작된 인시던트의 영향을 받고 있습니다",
    ),
    "alert_fired": Shown("The alert {name} fired on {host}", "{host}에서 알림 {name}[이/가] 발생했습니다"),
    "alert_reading": Shown("{Noun} on it: {reading}", "{noun}[은/는] 지금 {reading}입니다"),
    "alert_usual": Shown(
        "that is usual for this hour, so the rule's threshold may be tight",
        "이 시간대에는 평소 수준이므로 규칙의 임계값이 빠듯할 수 있습니다",
    ),
    "alert_strange": Shown("Unusual on {host} now: {list}", "지금 {host}에서 평소와 다른 지표: {list}"),
    "alert_nothing": Shown(
        "Nothing else that we watch there is unusual: {list}", "그 밖에 보고 있는 지표는 모두 평소 수준입니다: {list}"
    ),
    "alert_unseen": Shown(
        "We receive no data about this server, so nothing can be said about the cause",
        "이 서버의 데이터를 받지 못해 원인을 말할 수 없습니다",
    ),
    "alert_nameless": Shown(
        "The alert names no server, so it cannot be matched with data", "알림에 서버 이름이 없어 데이터와 대조할 수 없습니다"
    ),
    "see_rule": Shown(
        'Read the rule behind it: `ALERTS{alertname="{name}"}` in Prometheus shows which series fire.',
        '규칙을 확인하세요. Prometheus의 `ALERTS{alertname="{name}"}`에서 어느 시계열이 울리는지 볼 수 있습니다.',
    ),
    "see_host": Shown(
        "Look at {host} itself: `journalctl --since -1h -p warning`, `ss -s`, `vmstat 1 5`.",
        "{host}[을/를] 직접 확인하세요: `journalctl --since -1h -p warning`, `ss -s`, `vmstat 1 5`.",
    ),
    "this_server": Shown("this server", "이 서버"),
    "no_server": Shown("an unnamed server", "이름 없는 서버"),
    "its_disk": Shown("its disk", "디스크"),
}
