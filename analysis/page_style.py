"""The look of a report: one style sheet, for phones and desks, light and dark."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --page: #fbfaf7; --card: #ffffff; --ink: #1d1f23; --soft: #5d636d; --rule: #e3e1da; --grid: #ecebe6;
  --lane: #f6f5f1; --note: #fff6df; --note-edge: #d9a514; --good: #00704f; --bad: #b23a1a;
  --b: #1d1f23; --a0: #0067a5; --a1: #c9510c; --a2: #00805d; --a3: #a3478f; --a4: #a87800; --a5: #2590cf; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14161a; --card: #1c1f25; --ink: #e8e8e4; --soft: #a2a8b3; --rule: #343943; --grid: #2a2e36;
  --lane: #23272e; --note: #2f2813; --note-edge: #d9a514; --good: #45cfa1; --bad: #ff8f6b;
  --b: #f2f2ee; --a0: #5cb3f2; --a1: #ff8d4f; --a2: #3ccf9d; --a3: #e48fd0; --a4: #f0c24e; --a5: #a9daf8; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.15; margin: .2rem 0 .6rem;
  letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .3rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .3rem 0 .7rem; } .soft { color: var(--soft); font-size: .9rem; }
.lead { font-size: 1.12rem; } .kicker { color: var(--soft); font-size: .85rem; margin: 0; }
.answer { border-left: 4px solid var(--a0); padding: .1rem 0 .1rem 1rem; margin: 1rem 0; font-size: 1.12rem; }
.facts { display: flex; flex-wrap: wrap; gap: .4rem 2rem; padding: 0; margin: 1rem 0; list-style: none; }
.facts b { display: block; font-size: 1.3rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.facts span { color: var(--soft); font-size: .85rem; }
.notes { background: var(--note); border-left: 4px solid var(--note-edge); border-radius: .3rem;
  padding: .6rem 1rem .6rem 2rem; margin: 1rem 0; } .notes li { margin: .25rem 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1rem;
  margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .5rem .3rem; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 600; line-height: 1.25; } tr:last-child > * { border-bottom: 0; }
td { white-space: nowrap; } .text td { white-space: normal; } .text th { width: 10rem; }
tbody th { color: var(--ink); min-width: 6rem; } td small { color: var(--soft); display: block;
  white-space: nowrap; }
.more { color: var(--good); font-weight: 600; } .less { color: var(--bad); font-weight: 600; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: 0 0 .7rem;
  font-size: .88rem; } .legend li { display: flex; align-items: center; gap: .45rem; }
svg { display: block; width: 100%; height: 100%; overflow: hidden; } svg.swatch { width: 1.7rem;
  height: .9rem; }
path { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; stroke-linecap: round; }
.grid { stroke: var(--grid); stroke-width: 1; } .zero { stroke: var(--rule); stroke-width: 1.5; }
.curve { stroke: var(--c); stroke-width: 2.2; }
.run { stroke: var(--c); stroke-width: 1; opacity: .28; }
.band { fill: var(--c); opacity: .13; stroke: none; } .faint .band { opacity: .06; }
.reference { stroke: var(--soft); stroke-width: 1.6;
  stroke-dasharray: 5 4; } .seed { stroke: var(--c); stroke-width: 5; opacity: .35; }
.interval { stroke: var(--c); stroke-width: 3; } .estimate { stroke: var(--c); stroke-width: 11; }
.lanes { display: grid; grid-template-columns: max-content minmax(8rem, 1fr) minmax(4.5rem, max-content);
  gap: .15rem .9rem; align-items: center; font-size: .82rem;
  font-variant-numeric: tabular-nums; --c: var(--soft); }
.lanes .row { display: contents; } .lanes b { font-weight: 600; text-align: right; }
.lanes .row span { color: var(--soft); white-space: nowrap; } .lanes .strip { height: 2.3rem; }
.lanes .strip.flat { height: .9rem; } .lanes .strip svg { background: var(--lane); border-radius: .2rem; }
.lanes .ruler { position: relative; height: 1.3rem; grid-column: 2; }
.lanes .unit { color: var(--soft); font-size: .78rem; padding-left: .9rem; }
.felt { fill: var(--c); fill-opacity: .3; stroke: var(--c); stroke-width: 1.4; stroke-linejoin: miter; }
.reward { stroke: var(--ink); stroke-width: 1.6; stroke-linecap: butt; }
.mark { stroke: var(--soft); stroke-width: 1.6; stroke-linecap: butt; }
.veil { fill: var(--card); opacity: .62; stroke: none; }
.begin { stroke: var(--rule); stroke-width: 1; stroke-linecap: butt; }
.bite { stroke: var(--bad); stroke-width: 1.4; opacity: .8; stroke-linecap: butt; }
.b { --c: var(--b); } .a0 { --c: var(--a0); } .a1 { --c: var(--a1); } .a2 { --c: var(--a2); }
.a3 { --c: var(--a3); } .a4 { --c: var(--a4); } .a5 { --c: var(--a5); }
.curve.dash1 { stroke-dasharray: 9 5; } .curve.dash2 { stroke-dasharray: 2 5; }
.plot { padding: 0 .3rem 1.5rem 3.1rem; position: relative; margin-bottom: .4rem; }
.plot .area { position: relative; height: 19rem; } .plot.small .area { height: 9rem; }
.plot .area > svg { position: absolute; inset: 0; }
.tx, .ty { position: absolute; color: var(--soft); font-size: .78rem; line-height: 1; white-space: nowrap; }
.tx { top: calc(100% + .4rem); transform: translateX(-50%); }
.ty { right: calc(100% + .45rem); transform: translateY(50%); }
.ytitle { color: var(--soft); font-size: .8rem; margin: 0 0 .4rem -3.1rem; }
.xtitle { color: var(--soft); font-size: .8rem; text-align: right; padding-top: 1.55rem;
  margin-bottom: -1.3rem; }
.many { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .6rem 1.4rem; }
.many h4 { margin: .3rem 0 .35rem; font-size: .88rem; display: flex; gap: .45rem; align-items: center; }
.forest { display: grid; grid-template-columns: minmax(5rem, max-content) minmax(8rem, 1fr) max-content;
  gap: 0 1rem; align-items: center; font-size: .9rem; font-variant-numeric: tabular-nums; }
.forest .row { display: contents; } .forest .strip { height: 2.6rem; } .forest .ruler { position: relative;
  height: 1.4rem; grid-column: 2; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: .4rem; padding: .7rem .9rem;
  font: .85rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
  margin: .5rem 0; }
code { font: .92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.scroll { overflow-x: auto; } .ruler .tx { top: .25rem; }
.card > h3 { margin-top: 0; } details { border-top: 1px solid var(--rule); padding: .5rem 0; }
summary { cursor: pointer;
  font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1.2rem;
  font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; }
footer { color: var(--soft); font-size: .85rem; border-top: 1px solid var(--rule); margin-top: 3rem;
  padding-top: 1rem; }
@media (max-width: 58rem) {
  .wide thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  .wide, .wide tbody, .wide tr, .wide th, .wide td { display: block; }
  .wide tr { padding: .5rem 0; border-bottom: 1px solid var(--rule); } .wide tr:last-child { border: 0; }
  .wide tbody th { border: 0; font-size: 1rem; padding: .2rem 0; }
  .wide td { border: 0; white-space: normal; padding: .16rem 0; display: grid;
  grid-template-columns: 9.5rem 1fr; gap: .8rem; }
  .wide td:empty { display: none; } .wide td::before { content: attr(data-label); color: var(--soft); }
.wide td small { white-space: normal; }
  .plot .area { height: 15rem; } .plot.small .area { height: 8rem; } }
@media (max-width: 34rem) {
  .forest { display: block; } .forest .row { display: flex; flex-wrap: wrap; justify-content: space-between; }
  .lanes { grid-template-columns: max-content 1fr; } .lanes span { display: none; }
  .lanes .ruler span { display: block; }
  .forest .strip { width: 100%; height: 2rem; order: 3; margin-bottom: .5rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
@media print { .card { break-inside: avoid; } main { max-width: none; } }
"""
