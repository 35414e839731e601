from __future__ import annotations

from faasbridge import Message

from . import mail


@mail.on_message(name="send-mail", max_attempts=8)
def handle(message: Message) -> None:
    print(message.json()["to"], message.attempt, message.attributes)
