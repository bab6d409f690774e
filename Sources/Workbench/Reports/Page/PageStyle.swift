/// The page's style: light and dark, small screens, paper.
enum PageStyle {
  static let text = colours + layout + images + charts + media

  private static let colours = """
    :root{color-scheme:light dark;--back:#fcfcfa;--raised:#fff;--text:#1c1d21;--soft:#5d6068;--line:#d9dadd;--faint:#ececea;--link:#005a94;
    --s0:#0072b2;--s1:#c94a00;--s2:#00805d;--s3:#b0508a;--s4:#c27c00;--s5:#3a9bd6;--s6:#6b5b1e;--s7:#55585f;--warn:#c2281d;--band:#0072b214}
    @media (prefers-color-scheme:dark){:root{--back:#15161a;--raised:#1d1f24;--text:#e8e8e6;--soft:#a3a6ae;--line:#3a3d45;--faint:#282b31;--link:#7cc0f2;
    --s0:#5ab4ec;--s1:#f4935a;--s2:#3fcb9f;--s3:#e5a3cb;--s4:#f0be4f;--s5:#a3d3ff;--s6:#cdb968;--s7:#b9bcc4;--warn:#ff8a7d;--band:#5ab4ec1c}}

    """

  private static let layout = """
    *{box-sizing:border-box}
    html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
    body{margin:0;background:var(--back);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
    header,main,footer{max-width:1080px;margin:0 auto;padding:0 20px}
    header{padding-top:40px}
    h1{font-size:2rem;line-height:1.2;margin:0 0 16px;letter-spacing:-.015em;overflow-wrap:anywhere}
    h2{font-size:1.35rem;margin:0 0 8px;letter-spacing:-.01em}
    h3{font-size:1rem;margin:0 0 6px}
    .kind{margin:0 0 4px;color:var(--soft);font-size:.85rem;letter-spacing:.06em;text-transform:uppercase}
    .finding{font-size:1.12rem;max-width:52em;margin:0 0 8px}
    nav{display:flex;flex-wrap:wrap;gap:6px 18px;margin:22px 0 0;padding:12px 0;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
    a{color:var(--link)}
    nav a{text-decoration:none}
    nav a:hover,nav a:focus{text-decoration:underline}
    section{margin:44px 0;scroll-margin-top:12px}
    section>p,figcaption,footer p{max-width:60em}
    p{margin:0 0 12px}
    figure{margin:20px 0}
    figcaption,small{color:var(--soft);font-size:.85rem;line-height:1.4}
    .half{display:inline-block;width:calc(50% - 12px);margin-right:8px;vertical-align:top}
    .half .chart{min-width:0}
    .scroll{overflow-x:auto}
    table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
    th,td{padding:6px 12px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
    thead th{color:var(--soft);font-weight:600;vertical-align:bottom;white-space:normal}
    .number{text-align:right}
    td:first-child,th:first-child{padding-left:0}
    details{border:1px solid var(--line);border-radius:6px;margin:12px 0;padding:0 16px;background:var(--raised)}
    summary{cursor:pointer;padding:10px 0;font-weight:600;overflow-wrap:anywhere}
    details[open]>summary{border-bottom:1px solid var(--faint);margin-bottom:14px}
    pre{background:var(--faint);border-radius:6px;padding:12px 14px;overflow-x:auto;font:.85rem/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;user-select:all;-webkit-user-select:all}
    .code-title{margin:14px 0 4px;font-size:.9rem;color:var(--soft)}
    dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 20px;font-size:.9rem;margin:8px 0 14px}
    dt{color:var(--soft)}
    dd{margin:0;overflow-wrap:anywhere}
    footer{color:var(--soft);font-size:.9rem;padding-bottom:40px;border-top:1px solid var(--line);padding-top:16px}
    :focus-visible{outline:2px solid var(--link);outline-offset:2px}

    """

  private static let images = """
    .images td,.images th{border:0;padding:3px 12px 8px 0;vertical-align:top}
    .images thead th{padding-bottom:4px;font-size:.85rem}
    .images th[scope=row]{font-weight:500;color:var(--soft);position:sticky;left:0;background:var(--back);z-index:1;padding-right:12px}
    .images img{display:block;border-radius:2px;background:var(--faint)}
    .images small{display:block;white-space:nowrap}
    .cell+small{margin-top:3px}
    .narrow thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
    .narrow,.narrow tbody{display:block}
    .narrow tbody{display:flex;flex-wrap:wrap;gap:8px 22px}
    .narrow tr{display:flex}
    .narrow th[scope=row]{position:static;min-width:2.2em;padding-right:6px}
    .narrow td small{max-width:112px;overflow:hidden;text-overflow:ellipsis}
    .strip td{padding-right:4px}
    .strip th[scope=row]{max-width:120px;white-space:normal}
    .pixelated img,.pixelated .reference,.cell:target img,.cell:target .reference{image-rendering:pixelated}
    .stack{position:relative;display:block;width:max-content}
    .stack .difference,.stack .reference{display:none;position:absolute;inset:0;width:100%;height:100%}
    .reference{background-size:100% 100%;border-radius:2px}
    .gallery input{position:absolute;opacity:0}
    .gallery label{display:inline-block;padding:4px 12px;border:1px solid var(--line);border-radius:99px;font-size:.85rem;margin:0 6px 14px 0;cursor:pointer}
    .gallery input:checked+label{background:var(--text);color:var(--back);border-color:var(--text)}
    .gallery input:focus-visible+label{outline:2px solid var(--link);outline-offset:2px}
    .view-difference:checked~.scroll .difference{display:block}
    .view-flicker:checked~.scroll .reference{display:block;animation:flicker 1s steps(1) infinite}
    @keyframes flicker{0%{opacity:1}50%{opacity:0}}
    .close{display:none}
    .cell:target{position:fixed;inset:0;z-index:9;display:grid;place-content:center;justify-items:center;gap:14px;background:var(--back)}
    .cell:target .stack img.own,.cell:target .stack img.difference{width:min(86vw,80vh);height:auto;max-height:80vh;object-fit:contain}
    .cell:target::before{content:attr(data-name)}
    .cell:target .close{display:block;padding:6px 18px;border:1px solid var(--line);border-radius:99px;text-decoration:none}

    """

  private static let charts = """
    .chart{display:block;width:100%;max-width:860px;min-width:560px;height:auto;font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
    .chart text{fill:var(--text)}
    .chart .tick{fill:var(--soft)}
    .chart .axis-title{fill:var(--soft);font-size:12px}
    .chart .legend{font-size:12px}
    .axis{stroke:var(--soft);stroke-width:1}
    .grid{stroke:var(--line);stroke-width:1}
    .series{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
    .dot{fill:currentColor;stroke:none;opacity:0}
    .dot:hover{opacity:1}
    .bar{fill:currentColor}
    .point{fill:var(--back);stroke:var(--s0);stroke-width:2}
    .best{fill:var(--s0)}
    .front{fill:none;stroke:var(--s0);stroke-width:1.5;stroke-dasharray:5 4;opacity:.7}
    .band-grid{fill:var(--band);stroke:var(--s0);stroke-width:1;stroke-opacity:.5}
    .band-values{fill:var(--s1);fill-opacity:.28;stroke:var(--s1);stroke-width:1.2}
    .whisker{stroke:var(--s1);stroke-opacity:.35;stroke-width:3}
    .cell.none,rect.none{fill:var(--faint)}
    .clipped{color:var(--warn)!important}
    .s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}.s4{color:var(--s4)}.s5{color:var(--s5)}.s6{color:var(--s6)}.s7{color:var(--s7)}

    """

  private static let media = """
    @media (max-width:860px){.half{display:block;width:auto;margin-right:0}.half .chart{min-width:0}}
    @media (max-width:560px){body{font-size:15px}header{padding-top:24px}h1{font-size:1.5rem}section{margin:32px 0}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}details{padding:0 10px}}
    @media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}.view-flicker:checked~.scroll .reference{animation:none;opacity:0}.view-flicker:checked~.scroll .cell:hover .reference{opacity:1}}
    @media print{:root{--back:#fff;--raised:#fff;--text:#000;--soft:#444}header,main,footer{max-width:none}nav,.gallery label,.close{display:none}section,figure,tr{break-inside:avoid-page}section{break-inside:auto}.scroll{overflow:visible}.chart{min-width:0}body{font-size:11pt}}

    """
}
