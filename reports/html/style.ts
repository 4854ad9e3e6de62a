/** The page's only style sheet; its hash stands in the Content-Security-Policy. Colours have the same roles as in charts/palette.ts. */
export const style = `
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#1b2330;--muted:#596475;--line:#dfe4eb;--soft:#f0f3f7;--link:#1d5fbf;
--good:#12694a;--good-bg:#e7f4ee;--bad:#a3221b;--bad-bg:#fcebe9;--warn:#7d5200;--warn-bg:#fdf3dc;--mysql:#1d5fbf;--kafka:#7647b3;--redis:#a3221b;--egress:#7d5200}
@media screen and (prefers-color-scheme:dark){:root{--paper:#0f1319;--card:#171c24;--ink:#e7ebf1;--muted:#9da8b7;--line:#2b333f;--soft:#1d242e;--link:#74abff;
--good:#63d2a3;--good-bg:#12291f;--bad:#ff978a;--bad-bg:#331816;--warn:#f0bd5e;--warn-bg:#2e2410;--mysql:#74abff;--kafka:#bb9cf3;--redis:#ff978a;--egress:#f0bd5e}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem;z-index:2}
.layout{max-width:76rem;margin:0 auto;padding:2rem 1.25rem 4rem}
header.top{margin-bottom:1.25rem}
.kicker{margin:0;color:var(--muted);font-size:.875rem}
h1{margin:.1rem 0 .3rem;font-size:2rem;line-height:1.2;font-weight:650;letter-spacing:-.015em}
h2{margin:0 0 .75rem;font-size:1.25rem;line-height:1.3;font-weight:650;letter-spacing:-.005em}
h2 a{color:inherit;text-decoration:none}
h2 a:hover{text-decoration:underline}
h3{margin:1.75rem 0 .5rem;font-size:1rem;font-weight:650}
p{margin:0 0 .75rem;max-width:70ch}
.meta{margin:0;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.25rem;color:var(--muted);font-size:.875rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.5rem;margin:0 0 1.25rem;scroll-margin-top:1rem}
section>:last-child{margin-bottom:0}
.verdict{border:2px solid;border-radius:10px;padding:1.35rem 1.5rem;margin:0 0 1.25rem}
.verdict.good{background:var(--good-bg);border-color:var(--good)}
.verdict.bad{background:var(--bad-bg);border-color:var(--bad)}
.verdict.warn{background:var(--warn-bg);border-color:var(--warn)}
.verdict h2{display:flex;align-items:center;gap:.6rem;margin:0 0 .35rem;font-size:1.05rem}
.verdict.good h2{color:var(--good)}.verdict.bad h2{color:var(--bad)}.verdict.warn h2{color:var(--warn)}
.verdict .sign{display:inline-grid;place-items:center;width:1.6rem;height:1.6rem;border:2px solid currentColor;border-radius:50%;font-size:.95rem;line-height:1}
.verdict .lead{margin:0;font-size:1.3rem;line-height:1.4;font-weight:550;max-width:58ch}
.verdict ul{margin:.75rem 0 0;padding-left:1.2rem}
.verdict .exit{margin:.75rem 0 0;color:var(--muted);font-size:.875rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin:0 0 1.25rem;padding:0}
.tiles>div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.85rem 1rem}
.tiles dt{color:var(--muted);font-size:.8125rem}
.tiles dd{margin:0}
.tiles .figure{font-size:1.55rem;line-height:1.3;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.tiles .figure.bad{color:var(--bad)}.tiles .figure.good{color:var(--good)}
.tiles .beside{color:var(--muted);font-size:.8125rem}
.notice{background:var(--warn-bg);border-left:4px solid var(--warn);border-radius:4px;padding:.75rem 1rem;margin:0 0 1.25rem}
.notice p{margin:0 0 .25rem;font-weight:600}.notice ul{margin:0;padding-left:1.2rem}
nav.toc{font-size:.875rem;margin:0 0 1.25rem}
nav.toc h2{font-size:.8125rem;color:var(--muted);font-weight:600;margin:0 0 .25rem}
nav.toc ol{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.1rem 1rem}
nav.toc a{color:var(--ink);text-decoration:none;display:inline-block;padding:.2rem 0}
nav.toc a:hover{color:var(--link);text-decoration:underline}
@media screen and (min-width:1120px){.columns{display:grid;grid-template-columns:11rem minmax(0,1fr);gap:0 2rem}
nav.toc{position:sticky;top:1.5rem;align-self:start}nav.toc ol{display:block}}
.answer{font-size:1.125rem;line-height:1.5}
.scroll{overflow-x:auto;margin:0 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.4}
caption{break-after:avoid;text-align:left;font-weight:600;padding:0 0 .5rem;font-size:.875rem}
caption span{position:sticky;left:0;display:inline-block;max-width:min(70ch,calc(100vw - 4.5rem))}
caption.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:.25rem}
th{color:var(--muted);font-weight:600;font-size:.8125rem;vertical-align:bottom;border-bottom-color:var(--muted);overflow-wrap:normal}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.code,code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.8125rem}
td{overflow-wrap:break-word}td.code{max-width:30rem}td.code:first-child{min-width:12rem}td.long{overflow-wrap:anywhere;min-width:16rem}
.num+td:not(.num),.num+th:not(.num){padding-left:.5rem}
.whole{white-space:nowrap}
.more,.none,.hint{color:var(--muted);font-size:.875rem}.code .more{font-size:inherit}
.state{display:inline-flex;gap:.35rem;white-space:nowrap;font-weight:600}
.state.good{color:var(--good)}.state.bad{color:var(--bad)}.state.warn{color:var(--warn)}.state.quiet{color:var(--muted);font-weight:400}
.margin{display:block;margin:.1rem 0 .1rem auto}
.margin .track{fill:var(--soft);stroke:var(--line)}.margin .held{fill:var(--good)}.margin .over{fill:var(--bad)}.margin .mark{stroke:var(--ink);stroke-width:1.5}
figure{margin:1.5rem 0 0}
figcaption{font-weight:550;margin:0 0 .5rem;max-width:72ch}
.chart{margin:0 0 .35rem;border:1px solid var(--line);border-radius:6px}
.chart img{display:block;width:100%;min-width:40rem;height:auto}
.chart img.on-dark{display:none}
@media screen and (prefers-color-scheme:dark){.chart img.on-dark{display:block}.chart img.on-light{display:none}}
.chart svg{display:block;width:auto;max-width:100%;height:auto;margin:0 auto}
details{font-size:.875rem}
summary{cursor:pointer;color:var(--muted);padding:.25rem 0;width:max-content;max-width:100%}
details[open]>summary{margin-bottom:.35rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.6rem 1.5rem;margin:0 0 1rem}
.facts dt{color:var(--muted);font-size:.8125rem}.facts dd{margin:0}
.method dt{font-weight:600;margin-top:.75rem}.method dd{margin:0;max-width:75ch}
.topology text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink)}
.topology .name{font-size:14px;font-weight:600}.topology .quiet{fill:var(--muted)}
.topology .paper{fill:var(--card);fill-opacity:.88}
.topology .node{fill:var(--card);stroke:var(--ink);stroke-width:1.5}.topology .service{fill:var(--soft)}.topology .lost{stroke:var(--bad);stroke-dasharray:5 3}
.topology .node.mysql{stroke:var(--mysql)}.topology .node.kafka{stroke:var(--kafka)}.topology .node.redis{stroke:var(--redis)}.topology .node.egress{stroke:var(--egress);stroke-dasharray:4 3}.topology .node.users{stroke:var(--muted)}
.topology .edge{fill:none;stroke:var(--muted);stroke-width:1.5}.topology .edge.kafka{stroke:var(--kafka);stroke-dasharray:7 4}.topology .edge.mysql{stroke:var(--mysql)}.topology .edge.redis{stroke:var(--redis);stroke-dasharray:2 3}.topology .edge.egress{stroke:var(--egress);stroke-dasharray:9 3 2 3}
.topology .tip{fill:var(--muted)}
footer{color:var(--muted);font-size:.8125rem;padding:0 .25rem}
@media (max-width:600px){.layout{padding:1rem .75rem 2rem}section,.verdict{padding:1rem}h1{font-size:1.5rem}.verdict .lead{font-size:1.125rem}.chart svg{max-width:none}.tiles{grid-template-columns:1fr 1fr}.tiles>div:last-child:nth-child(odd){grid-column:1/-1}.tiles .figure{font-size:1.25rem}}
@media print{@page{size:A4;margin:14mm 12mm}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{background:#fff;font-size:9.5pt;line-height:1.4}.layout{max-width:none;padding:0}
nav.toc,.skip,details{display:none}.columns{display:block}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:4mm 0 0;margin:0 0 5mm}
h1{font-size:18pt}h2{font-size:13pt;break-after:avoid}h3{break-after:avoid}.verdict .lead{font-size:12pt}.answer{font-size:11pt}
.tiles{grid-template-columns:repeat(5,1fr);gap:2mm}.tiles>div{padding:2mm}.tiles .figure{font-size:12.5pt}
.scroll{overflow:visible}table{font-size:7.5pt;table-layout:auto}th,td,td.code{font-size:7.5pt;min-width:0;padding-right:2mm}thead{display:table-header-group}tr,figure,.scroll,.verdict,.tiles,.facts>div{break-inside:avoid}
.meta,.kicker,.hint,.more,.none,caption,.verdict .exit,.facts dt,.tiles dt,.tiles .beside,footer{font-size:8pt}td .hint,td code{font-size:7pt}
.chart img,.chart svg{min-width:0;max-width:100%}.chart{border:0}.topology{max-height:150mm}figcaption{break-after:avoid}a{color:inherit;text-decoration:none}}
`;
