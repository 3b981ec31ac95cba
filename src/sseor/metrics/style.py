"""The style sheet of the page: two sets of colours, which the reader's system chooses between."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark;
  --bg: #f4f5f7; --card: #ffffff; --ink: #1b1f26; --muted: #667080; --line: #e3e6eb; --good: #1d8a5b; --bad: #c23b3b;
  --c0: #2f6fde; --c1: #e07b22; --c2: #1f9d6b; --c3: #c2417f; --c4: #7d5bd0; --c5: #1596ad; --c6: #b0891c;
  --c7: #8a93a0; }
@media (prefers-color-scheme: dark) { :root {
  --bg: #12151a; --card: #1b2028; --ink: #e8ebf0; --muted: #97a1b0; --line: #2b323d; --good: #4cc38f; --bad: #ef7d7d;
  --c0: #6ea2ff; --c1: #f5a04f; --c2: #4fcf9a; --c3: #ee7fb3; --c4: #ab90f2; --c5: #4cc3d9; --c6: #dcb64a;
  --c7: #7f8997; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1200px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 16px; margin: 0; }
.sub { color: var(--muted); margin: 2px 0 0; font-size: 14px; }
section, .tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; }
section { margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin-top: 22px; }
.tile { padding: 14px 18px; }
.tile b { display: block; font-size: 26px; font-weight: 650; letter-spacing: -.02em; }
.tile span { color: var(--muted); font-size: 13px; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 4px; font-size: 13px; color: var(--muted); }
.key i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }
.key i { background: var(--c); }
.plot, .table { overflow-x: auto; }
.plot svg { display: block; width: 100%; min-width: 760px; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--muted); }
svg .name { fill: var(--ink); font-size: 13px; }
.grid { stroke: var(--line); }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.dot { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }
.bar { fill: var(--c); }
.thin { stroke: var(--c); stroke-width: 3; stroke-linecap: round; opacity: .55; }
.thick { stroke: var(--c); stroke-width: 11; stroke-linecap: round; opacity: .45; }
.median { fill: var(--c); stroke: var(--card); stroke-width: 2; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin-top: 8px; }
th, td { padding: 8px 9px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { color: var(--muted); font-weight: 500; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
td:has(.name), th.name { text-align: left; }
td .name { display: block; min-width: 120px; white-space: normal; overflow-wrap: anywhere; }
td small { color: var(--muted); display: block; font-size: 11px; }
footer { color: var(--muted); font-size: 13px; margin-top: 22px; padding: 0 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 0; }
dt { color: var(--ink); }
dd { margin: 0; }
.spark { width: 110px; height: 24px; display: block; }
.slower { color: var(--bad); }
.faster { color: var(--good); }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); } .c6 { --c: var(--c6); } .c7 { --c: var(--c7); }
"""
