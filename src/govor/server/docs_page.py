"""``/docs``: the interface as a page in the style of ours, without anything from elsewhere."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from govor.language import tr

router = APIRouter()

_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The OpenAPI document made readable."""
    return HTMLResponse(docs_html(request.app.openapi()))


def docs_html(schema: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    info = schema["info"]
    sections = [
        _operation(path, method, item[method], schema)
        for path, item in schema["paths"].items()
        for method in _METHODS
        if method in item
    ]
    sockets = tr(
        'WebSocket: <code>/v1/stream</code> (<a href="asyncapi.yaml">AsyncAPI</a>), <code>/vosk</code>.',
        'WebSockets: <code>/v1/stream</code> (<a href="asyncapi.yaml">AsyncAPI</a>), <code>/vosk</code>.',
    )
    return f"""<!doctype html>
<html lang="{tr("ru", "en")}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="style.css">
<link rel="stylesheet" href="panels.css">
<script src="js/theme.js"></script>
<title>{escape(info["title"])} {escape(info["version"])}: API</title>
</head>
<body>
<main class="api prose">
<h1>{escape(info["title"])} {escape(info["version"])}: API</h1>
<p>{escape(info.get("summary", ""))}. <a href="openapi.json">OpenAPI</a>. {sockets}</p>
{"".join(sections)}
</main>
</body>
</html>
"""


def _operation(path: str, method: str, row: dict[str, Any], schema: dict[str, Any]) -> str:
    fields = [
        _field(parameter["name"], parameter.get("schema", {}), parameter.get("required", False))
        for parameter in row.get("parameters", [])
    ]
    for kind, content in row.get("requestBody", {}).get("content", {}).items():
        body = _resolved(content.get("schema", {}), schema)
        required = body.get("required", [])
        fields.append(f"<dt>{escape(kind)}</dt><dd>{tr('поля:', 'fields:')}</dd>")
        fields += [
            _field(name, _resolved(value, schema), name in required)
            for name, value in body.get("properties", {}).items()
        ]
    listed = f"<dl>{''.join(fields)}</dl>" if fields else ""
    return (
        f'<section class="card"><h2><code>{method.upper()} {escape(path)}</code></h2>'
        f"<p><strong>{escape(row.get('summary', ''))}.</strong> {_text(row.get('description', ''))}</p>"
        f"{listed}</section>\n"
    )


def _text(description: str) -> str:
    """Return a docstring as HTML, ``code`` as code."""
    return re.sub(r"``(.+?)``", r"<code>\1</code>", escape(description))


def _field(name: str, schema: dict[str, Any], required: bool) -> str:
    notes = [str(schema.get("type", ""))]
    if required:
        notes.append(tr("обязательно", "required"))
    if "enum" in schema:
        notes.append(" | ".join(map(str, schema["enum"])))
    if "default" in schema:
        notes.append("= " + json.dumps(schema["default"], ensure_ascii=False))
    if "description" in schema:
        notes.append(schema["description"])
    text = "; ".join(note for note in notes if note)
    return f"<dt><code>{escape(name)}</code></dt><dd>{escape(text)}</dd>"


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for part in str(reference).removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)
