"""A schedule with a secret and a signed URL."""

from __future__ import annotations

from faasbridge import App, Tick

app = App("bulletin")
token = app.secret("mail-token")
issues = app.bucket("issues")


@app.schedule("0 6 * * MON", timezone="Europe/Berlin", uses=[token.get, issues.put, issues.sign_get])
def weekly(tick: Tick) -> None:
    key = f"{tick.scheduled_for.date()}.csv"
    issues.put(key, "a,b\n", content_type="text/csv")
    link: str = issues.sign_get(key, expires_s=3600)
    print(link, len(token.get()))
