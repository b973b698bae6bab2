"""The look of a report: one style sheet, inside the page, for light and dark screens, phones and paper.

Colours are named by what they mean. A holder has one colour through the whole page (bank inventories, treasury,
wallets, escrow, loss reserve), chosen so that neighbours differ in lightness too and stay apart for people who see
fewer colours. Letters are those of the reader's machine: the page fetches nothing.
"""

_LIGHT = """
--paper:#fff;--wash:#f3f6f7;--ink:#16242b;--soft:#51636c;--rule:#d5dee2;--accent:#00718a;
--good:#116b43;--good-wash:#e7f4ec;--bad:#a3241d;--bad-wash:#fcebe9;--plain-wash:#eef2f4;
--bank:#2f6690;--treasury:#d9982b;--wallets:#1b998b;--escrow:#7b4ea3;--loss:#c14953;
--circulating:#3f5661;--redeemed:#c3ced4;--empty:#e6ecef;
"""
_DARK = """
--paper:#12191d;--wash:#1a2429;--ink:#e6edf0;--soft:#a0b2bb;--rule:#33434b;--accent:#5cc3d8;
--good:#7ed3a4;--good-wash:#14301f;--bad:#ff9d94;--bad-wash:#3a1a18;--plain-wash:#1e2a30;
--bank:#5b9bd0;--treasury:#eab453;--wallets:#3dbdad;--escrow:#b08ad6;--loss:#e8747c;
--circulating:#a9bcc5;--redeemed:#4a5b64;--empty:#26333a;
"""
_TEXT = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main,.top,footer{max-width:66rem;margin-left:auto;margin-right:auto;padding:0 1.5rem}
h1,h2,h3,h4{line-height:1.22;margin:0;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:2.1rem;letter-spacing:-.015em;margin:.35rem 0 .7rem}
h2{font-size:1.4rem;letter-spacing:-.01em;margin-bottom:.9rem}
h3{font-size:1.05rem;margin:1.8rem 0 .6rem}
h4{font-size:.95rem;margin:0 0 .4rem}
p{margin:0 0 .9rem;max-width:44rem;overflow-wrap:anywhere}
a{color:var(--accent)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
section{padding:2rem 0 0;border-top:1px solid var(--rule);margin-top:2rem}
.top{padding-top:2.4rem}
.eyebrow{color:var(--accent);font-weight:600;font-size:.9rem;margin:0}
.eyebrow span{color:var(--soft);font-weight:400}
.lead{font-size:1.12rem}
.soft,.facts,footer{color:var(--soft);font-size:.9rem}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
.facts dt{font-weight:600}
.facts dd{margin:0;overflow-wrap:anywhere;min-width:0}
var{color:var(--soft)}
code{font:.88em/1.4 ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
nav{margin:1.3rem 0 0;font-size:.92rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;margin:0;padding:0}
.tongue{display:none}
:root:has(#tongue-en:checked) .tongue[lang=en],:root:has(#tongue-kk:checked) .tongue[lang=kk],
:root:has(#tongue-ru:checked) .tongue[lang=ru]{display:block}
@supports not selector(:has(a)){.tongue{display:block}}
.tongues{display:flex;justify-content:flex-end;gap:.3rem;border:0;max-width:66rem;margin:0 auto;padding:1rem 1.5rem 0}
.tongues label{position:relative}
.tongues input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:pointer}
.tongues span{display:block;padding:.3rem .8rem;border:1px solid var(--rule);border-radius:1rem;font-size:.9rem;
color:var(--accent)}
.tongues input:checked+span{background:var(--ink);border-color:var(--ink);color:var(--paper)}
.tongues input:focus-visible+span{outline:3px solid var(--accent);outline-offset:2px}
.tongues legend span{display:inline;border:0;padding:0}
nav.switch{margin:0}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem 1rem}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{margin-top:2.5rem}
footer>div{border-top:1px solid var(--rule);padding:1.5rem 0 3rem}
footer h2{font-size:1.05rem;color:var(--ink)}
footer ul{margin:0 0 .9rem;padding-left:1.1rem;max-width:44rem}
"""
_PARTS = """
.banner{border-left:5px solid;border-radius:3px;padding:1rem 1.3rem;margin:1.6rem 0}
.banner h2{font-size:1.3rem;margin:0 0 .25rem}
.banner p:last-child,.banner ul:last-child{margin-bottom:0}
.banner ul{margin:.4rem 0 0;padding-left:1.2rem}
.banner.good{background:var(--good-wash);border-color:var(--good)}
.banner.bad{background:var(--bad-wash);border-color:var(--bad)}
.banner.plain{background:var(--plain-wash);border-color:var(--soft)}
.good h2,.yes{color:var(--good)}.bad h2,.no{color:var(--bad)}
.yes,.no{font-weight:600;white-space:nowrap}
.figures{display:grid;grid-template-columns:repeat(3,1fr);gap:1.2rem 1.6rem;margin:1.8rem 0}
.figures div{display:flex;flex-direction:column-reverse;justify-content:flex-end;border-top:3px solid var(--rule);
padding-top:.5rem}
.figures dt{color:var(--soft);font-size:.88rem;line-height:1.35}
.figures dd{margin:0;overflow-wrap:anywhere;font-size:1.4rem;font-weight:600;line-height:1.3;
font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;margin-bottom:1rem}
table{border-collapse:collapse;width:100%;font-size:.93rem;line-height:1.4}
caption{text-align:left;font-weight:600;padding:0 0 .5rem}
th,td{text-align:left;vertical-align:top;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-weight:600;font-size:.85rem;vertical-align:bottom}
tbody th{font-weight:400}
th,td,td code,th code{overflow-wrap:break-word}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tfoot th,tfoot td{font-weight:600;border-bottom:0;border-top:1px solid var(--ink)}
tr.broken th,tr.broken td{background:var(--bad-wash)}
td.wide{min-width:9rem;width:38%}
details{margin:0 0 .9rem}
summary{cursor:pointer;color:var(--accent);font-weight:600;font-size:.95rem;padding:.2rem 0}
details[open]>summary{margin-bottom:.5rem}
.key{list-style:none;display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.3rem 2rem;
margin:.8rem 0 1rem;padding:0;font-size:.92rem}
.key li{display:grid;grid-template-columns:.9rem 1fr auto;gap:.6rem;align-items:baseline}
.key i{width:.9rem;height:.9rem;border-radius:2px;align-self:center;print-color-adjust:exact;
-webkit-print-color-adjust:exact}
.key b{font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.days{margin:0}
.days details{border-top:1px solid var(--rule);margin:0;padding:.35rem 0}
.days summary{display:flex;flex-wrap:wrap;gap:.1rem 1rem;align-items:baseline;color:var(--ink)}
.days summary::before{content:"+";color:var(--accent);font-weight:700;width:.7rem}
.days [open]>summary::before{content:"\\2212"}
.days summary::-webkit-details-marker{display:none}
.days summary span{color:var(--soft);font-weight:400;font-size:.88rem}
.story{list-style:none;margin:0 0 .8rem;padding:0;font-size:.95rem}
.story li{display:grid;grid-template-columns:3.4rem 7.5rem 1fr;gap:.1rem .8rem;padding:.22rem 0 .22rem 1.7rem}
.story time,.story .kind{color:var(--soft);font-size:.88rem;line-height:1.65}
.story time{font-variant-numeric:tabular-nums}
.story .alarm{color:var(--bad);font-weight:600}
.story p{margin:0}
.detail{color:var(--soft);font-size:.88rem;margin:0}
td .detail{margin-top:.2rem}
.figures.small dd{font-size:1.1rem}
.pairs{margin-bottom:1rem}
.pairs dd{color:var(--ink)}
pre{overflow-x:auto;font:.85em/1.4 ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace}
.sheets{display:grid;grid-template-columns:1fr 1fr;gap:1.2rem 2.4rem;margin-bottom:1.4rem}
.sheet{min-width:0}
.sheet table{font-size:.88rem;border-top:2px solid var(--ink)}
.sheet th[colspan]{width:50%}
.sheet caption{padding-bottom:.35rem}
.sheet th,.sheet td{padding:.35rem .7rem .35rem 0}
.sheet td.n{padding-right:.8rem}
.sheet td.n:last-child{padding-right:0}
.sheet .t{border-left:2px solid var(--ink);padding-left:.8rem}
.sheet tfoot td{border-top:1px solid var(--ink)}
.change{display:block;color:var(--soft);font-size:.92em}
.evidence{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0 0 1.2rem;
border-left:3px solid var(--bad);padding:.2rem 0 .2rem 1rem;font-size:.93rem;max-width:54rem}
.evidence dt{color:var(--soft)}
.evidence dd{margin:0;min-width:0;overflow-wrap:anywhere}
"""
_DRAWINGS = """
figure{margin:0 0 1.2rem}
figcaption{font-weight:600;margin-bottom:.3rem}
figcaption span{font-weight:400;color:var(--soft);display:block;font-size:.9rem}
svg{display:block;overflow:visible}
svg svg{overflow:hidden}
svg.plot{margin-left:4.2rem;width:calc(100% - 4.7rem)}
svg.share{width:100%;margin-top:.35rem;overflow:hidden}
.unit{color:var(--soft);font-size:.8rem;margin:0;line-height:1.3}
svg text{fill:var(--ink);font-size:13px;font-variant-numeric:tabular-nums}
svg .tick{fill:var(--soft);font-size:12px}
svg .label{font-weight:600}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.grid{stroke:var(--rule)}.base{stroke:var(--ink)}
.gap{stroke:var(--ink);stroke-dasharray:2 4}
.area,.line{vector-effect:non-scaling-stroke;stroke-width:1px;stroke-linejoin:round}
.line{fill:none;stroke-width:2.5px}
.wash{opacity:.16}
.dot{stroke:var(--paper);stroke-width:1px}
.bar{stroke:var(--paper);stroke-width:1px}
svg.map{min-width:46rem;width:100%;height:auto}
svg.map.broad{min-width:62rem}
.map text{font-size:13px}
.map .band{fill-opacity:.38;stroke:none}
.map .band:hover{fill-opacity:.65}
.map .back{fill:none;stroke-width:3px;stroke-dasharray:6 4}
.map .node{stroke:none}
.empty{fill:var(--empty)}.lens{fill:var(--wash)}
.hover rect{fill:transparent}.hover rect:hover{fill:var(--ink);fill-opacity:.08}
.bank{fill:var(--bank);stroke:var(--bank);background:var(--bank)}
.treasury{fill:var(--treasury);stroke:var(--treasury);background:var(--treasury)}
.wallets{fill:var(--wallets);stroke:var(--wallets);background:var(--wallets)}
.escrow{fill:var(--escrow);stroke:var(--escrow);background:var(--escrow)}
.loss{fill:var(--loss);stroke:var(--loss);background:var(--loss)}
.circulating{fill:var(--circulating);stroke:var(--circulating);background:var(--circulating)}
.redeemed{fill:var(--redeemed);stroke:var(--redeemed);background:var(--redeemed)}
.bar.bar{stroke:var(--paper)}.dot.dot{stroke:var(--paper)}.line.line{fill:none}.wash.wash{stroke:none}
"""
_PHONE = """
@media (max-width:46rem){
main,.top,footer{padding-left:1rem;padding-right:1rem}
.top{padding-top:1.4rem}
h1{font-size:1.6rem}h2{font-size:1.25rem}
.lead{font-size:1.02rem}
.figures{grid-template-columns:1fr 1fr;gap:1rem}
.figures dd{font-size:1.05rem}
.sheets{grid-template-columns:1fr}
.story li{grid-template-columns:3.2rem 1fr;padding-left:0}
.story li>div{grid-column:1/-1}
.tongues{padding:.8rem 1rem 0;justify-content:flex-start}
.facts,.evidence{grid-template-columns:1fr}
.facts dd,.evidence dd{margin-bottom:.35rem}
svg.plot{margin-left:3.3rem;width:calc(100% - 3.6rem)}
.sheet table{font-size:.8rem}
.sheet th,.sheet td{padding-right:.4rem}
.sheet td.n{padding-right:.45rem}
.sheet .t{padding-left:.45rem}
td.wide{display:none}
thead th.wide{display:none}
.n:has(+.wide){padding-right:0}
}
"""
_PAPER = """
@media print{
@page{margin:16mm 14mm}
body{font-size:10.5pt}
main,.top,footer{max-width:none;padding:0}
nav,.skip,.tongues{display:none}
svg.map,svg.map.broad{min-width:0}
h2,h3,h4,caption{break-after:avoid}
tr,figure,.banner,.evidence,.sheet,.story li{break-inside:avoid}
section{padding-top:1.2rem;margin-top:1rem}
thead{display:table-header-group}
tfoot{display:table-row-group}
.scroll{overflow:visible}
details::details-content{content-visibility:visible;block-size:auto}
.days details>summary::before{content:""!important}
a{color:inherit;text-decoration:none}
svg,.banner,tr.broken *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""


def style_sheet() -> str:
    """The whole sheet; on paper the colours are always the light ones."""
    return "".join(
        [
            ":root{color-scheme:light dark;",
            _LIGHT,
            "}",
            "@media screen and (prefers-color-scheme:dark){:root{",
            _DARK,
            "}}",
            _TEXT,
            _PARTS,
            _DRAWINGS,
            _PHONE,
            _PAPER,
        ]
    ).replace("\n", "")
