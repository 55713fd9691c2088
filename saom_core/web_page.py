"""The look of the pages that SAOM writes: light and dark as the reader's system is, from a phone's width on."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1b2026; --soft: #5a6470; --paper: #fff; --raised: #f4f6f8; --line: #dde2e8;
  --accent: #0a63c2; --good: #14713a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #a0aab6; --paper: #14181d; --raised: #1d232a;
  --line: #313a44; --accent: #7db4ff; --good: #6fd39a; --bad: #ff8f87; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--paper); margin: 0 auto; padding: 24px clamp(12px, 3vw, 32px) 64px; max-width: 1400px; }
h1 { font-size: clamp(20px, 3.2vw, 28px); line-height: 1.2; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 8px; overflow-wrap: anywhere; } a { color: var(--accent); }
p { margin: 4px 0; max-width: 90ch; overflow-wrap: anywhere; } .note { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 4px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; } tbody tr:hover { background: var(--raised); }
th:first-child, td:first-child, .text { text-align: left; }
td.text { color: var(--soft); white-space: normal; min-width: 24ch; }
thead th { background: var(--raised); color: var(--soft); font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } small { color: var(--soft); }
figure { margin: 0 0 24px; } figcaption { color: var(--soft); font-size: 13px; margin: 4px 0; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; display: block; border-radius: 8px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 10px; margin: 16px 0; }
.cards div { background: var(--raised); border-radius: 8px; padding: 10px 14px; color: var(--soft); font-size: 13px; }
.cards b { display: block; font-size: 22px; line-height: 1.3; color: var(--ink); font-weight: 600; }
"""
"""Style sheet of all pages; each adds its own below."""


def page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """A whole HTML document that needs no server and no other file.

    Args:
        title: as HTML, so escaped.
        body: HTML.
        style: CSS of this page alone.
        script: JavaScript of this page alone.
    """
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}{style}</style></head>\n'
        f"<body>{body}" + (f"<script>{script}</script>" if script else "") + "</body></html>\n"
    )
