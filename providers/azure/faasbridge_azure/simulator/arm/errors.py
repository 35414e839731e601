"""What Resource Manager answers when it refuses."""

from __future__ import annotations

from typing import Any


class ArmError(Exception):
    def __init__(self, code: str, message: str, status: int = 400, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.details = code, message, status, details

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = self.details
        return error


def template_error(message: str) -> ArmError:
    return ArmError("InvalidTemplate", f"Deployment template validation failed: '{message}'.")
