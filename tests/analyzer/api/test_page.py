"""The built-in page: what is open, in words, without scripts and without anything of a stranger that runs."""

from dataclasses import replace

from tests.analyzer.reports import EXPLANATION, INCIDENT, report


async def page(api, **query):
    async with api.session.get("/", params=query) as reply:
        return reply, await reply.text()


async def test_open_incidents_are_told_with_what_to_do(told):
    _, text = await page(told)
    assert "<h2>web-01 CPU 93%</h2>" in text
    assert "<li>Look at top.</li>" in text
    assert 'href="/api/v1/incidents/inc1?lang=en"' in text


async def test_korean_is_spoken_when_asked_for(told):
    _, text = await page(told, lang="ko")
    assert '<html lang="ko">' in text
    assert "<li>top을 보십시오.</li>" in text
    assert 'href="/?lang=en"' in text


async def test_nothing_open_is_said_with_why_there_is_nothing_yet(api):
    _, text = await page(api)
    assert "No incident is open." in text
    assert "Not ready yet: learning from history: 40%" in text


async def test_nothing_runs_whatever_stands_in_it(api):
    evil = "<script>alert(1)</script>\"'&"
    words = {lang: replace(t, headline=evil, sentences=(evil,), actions=(evil,)) for lang, t in EXPLANATION.texts.items()}
    incident = replace(INCIDENT, id='x"><script>', host=evil)
    await api.store.put_report(
        report(incidents=(incident,), changed=(incident,), explanations=(replace(EXPLANATION, incident=incident.id, texts=words),))
    )
    reply, text = await page(api)
    assert "<script" not in text
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


async def test_every_link_leads_somewhere(told):
    _, text = await page(told)
    for path in {part.split('"')[0] for part in text.split('href="')[1:]}:
        async with told.session.get(path) as reply:
            assert reply.status == 200, path
