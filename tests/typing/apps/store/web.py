from __future__ import annotations

from faasbridge import Reply, Request

from . import app, mail, office, orders


@app.post("/orders", uses=[orders.put, mail.send])
def order(request: Request) -> dict[str, str]:
    orders.put({"order_id": "1"}, if_absent=True)
    return {"message": mail.send({"to": "x"}, delay_s=60)}


@office.get("/orders", uses=[orders.scan])
def all_orders(request: Request) -> Reply:
    return list(orders.scan())
