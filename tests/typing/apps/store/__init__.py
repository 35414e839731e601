"""Several modules, and a second api."""

from __future__ import annotations

from faasbridge import App

app = App("store")
orders = app.table("orders", key="order_id")
mail = app.queue("mail")
office = app.api("office", prefix="/office", timeout_s=10, uses=[orders.get])
app.include("store.web", "store.post")
