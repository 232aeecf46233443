/**
 * The style sheet of HTML reports. Colours have a contrast of at least 4.5 to 1 on their background, and each verdict is
 * also a word.
 */
export const STYLE = `
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; color: #1b1f24; background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-top: 1px solid #d0d7de; padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; }
code { font: .85em ui-monospace, monospace; color: #4a5260; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #d0d7de; }
th { overflow-wrap: normal; }
td { overflow-wrap: break-word; }
td:first-child, .finding td { overflow-wrap: anywhere; }
td:first-child { min-width: 4rem; }
.finding { border-left: 3px solid #d0d7de; padding-left: .75rem; margin: .75rem 0; }
.finding td { font: .85rem/1.4 ui-monospace, monospace; }
.fix { background: #f3f5f7; padding: .5rem .75rem; margin: .5rem 0; }
pre { font: .85rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0 0; }
@media (min-width: 44rem) { .finding td:first-child { min-width: 13rem; } .finding td:nth-child(2) { min-width: 10rem; } }
.score strong { font-size: 2rem; margin-right: .5rem; }
.badge { display: inline-block; font-size: .8em; font-weight: 600; padding: 0 .5rem; border-radius: 1rem; border: 1px solid; white-space: nowrap; }
@media (max-width: 30rem) { th, td { padding: .25rem .2rem; } td:first-child { min-width: 2.5rem; } .index :is(th, td):nth-child(3) { display: none; } .badge { white-space: normal; } }
.fail { color: #a40e26; }
.unknown { color: #6e40aa; }
.manual { color: #0a5ea8; }
.pass { color: #116329; }
.notApplicable, .notJudged { color: #57606a; }
@page { margin: 15mm; }
@media print { :root { font-size: 11px; } body { max-width: none; padding: 0; } .finding, .fix, tr { break-inside: avoid; } h2, h3 { break-after: avoid; } a { color: inherit; } }
`;
