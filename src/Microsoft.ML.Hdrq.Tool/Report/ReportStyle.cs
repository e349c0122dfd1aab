namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>How a report looks, in light and dark.</summary>
internal static class ReportStyle
{
    /// <summary>The number of colours for series.</summary>
    public const int Colors = 6;

    /// <summary>The style sheet.</summary>
    public const string Css = """
        :root {
          color-scheme: light dark;
          --back: #ffffff; --panel: #f6f7f9; --text: #1d232b; --soft: #5b6672; --line: #d9dee4;
          --c0: #0072b2; --c1: #b87700; --c2: #008060; --c3: #c4500a; --c4: #8a5fa8; --c5: #4a5560;
          --good: #1b7f4d; --bad: #b3261e; --shade: rgba(20, 30, 45, .28);
          --band: rgba(20, 30, 45, .05);
        }
        @media (prefers-color-scheme: dark) { :root {
          --back: #14181d; --panel: #1d232a; --text: #e8ecf0; --soft: #a3aeb9; --line: #39424d;
          --c0: #56b4e9; --c1: #f0b13c; --c2: #2fc79b; --c3: #ff8a4c; --c4: #cf9fe8; --c5: #c3ccd6;
          --good: #5fd394; --bad: #ff8a80; --shade: rgba(190, 210, 235, .3);
          --band: rgba(190, 210, 235, .1);
        } }
        * { box-sizing: border-box; }
        body {
          margin: 0; background: var(--back); color: var(--text);
          font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
        }
        main { max-width: 1160px; margin: 0 auto; padding: 24px 16px 64px; }
        h1 { font-size: 1.7rem; line-height: 1.2; margin: 8px 0; }
        h2 { font-size: 1.25rem; margin: 48px 0 8px; }
        h3 { font-size: 1rem; margin: 24px 0 4px; }
        h3, p { overflow-wrap: anywhere; }
        p { max-width: 75ch; margin: 8px 0; }
        .soft { color: var(--soft); }

        /* The shade at the right edge stays; what covers it is at the right end of the table and scrolls with it. */
        .scroll {
          overflow-x: auto; margin: 12px 0; border: 1px solid var(--line); border-radius: 8px;
          background:
            linear-gradient(to left, var(--back) 40%, transparent) right / 48px 100% no-repeat local,
            linear-gradient(to left, var(--shade), transparent) right / 22px 100% no-repeat scroll;
        }
        /* Only where there is something to scroll has the animation a timeline. */
        .hint {
          position: sticky; left: 0; width: max-content; margin: 0; padding: 0 10px; max-height: 0; overflow: hidden;
          color: var(--soft); font-size: .8rem;
        }
        @supports (animation-timeline: scroll(nearest inline)) {
          .hint { animation: hint linear both; animation-timeline: scroll(nearest inline); }
        }
        @keyframes hint {
          from { max-height: 2.5em; padding-block: 5px; opacity: 1; }
          to { max-height: 2.5em; padding-block: 5px; opacity: 0; }
        }
        table {
          border-collapse: separate; border-spacing: 0; width: 100%;
          font-size: .9rem; line-height: 22px; font-variant-numeric: tabular-nums;
        }
        th, td { padding: 6px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
        th { font-weight: 400; }
        thead th, .group th { color: var(--soft); font-weight: 600; }
        th:first-child {
          position: sticky; left: 0; z-index: 1; background: var(--back); border-right: 1px solid var(--line);
          white-space: normal; overflow-wrap: break-word; min-width: 8em; max-width: 14em;
        }
        thead th { white-space: normal; vertical-align: bottom; }
        .text { white-space: normal; min-width: 13em; }
        th:first-child, .text, .group th { text-align: left; }
        .group th { position: static; max-width: none; border-right: 0; background: var(--band); }
        .group span { position: sticky; left: 10px; }
        tbody:last-child tr:last-child > * { border-bottom: 0; }

        .grid {
          display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr));
          gap: 16px; margin: 12px 0;
        }
        .small { grid-template-columns: repeat(auto-fill, minmax(min(250px, 100%), 1fr)); }
        figure, pre { padding: 12px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
        figure { margin: 0; min-width: 0; }
        pre { overflow-x: auto; font-size: .85rem; }
        figcaption { font-size: .9rem; font-weight: 600; margin-bottom: 6px; overflow-wrap: anywhere; }
        figcaption span { font-weight: 400; color: var(--soft); }
        svg { display: block; width: 100%; height: auto; }
        svg text { fill: var(--soft); font-size: 12px; font-family: inherit; }
        .small svg text { font-size: 15px; }
        .axis { stroke: var(--line); stroke-width: 1; fill: none; }
        .clip { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
        .legend {
          display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0; padding: 0; list-style: none; font-size: .9rem;
          overflow-wrap: anywhere;
        }
        .legend i {
          display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px;
        }
        .bar {
          display: grid; grid-template-columns: minmax(80px, 2fr) 3fr 60px; gap: 8px; align-items: center;
          font-size: .85rem; margin: 3px 0;
        }
        .layer { grid-template-columns: minmax(80px, 2fr) 3fr 8.5em; }
        .bar b { font-weight: 400; overflow-wrap: anywhere; }
        .bar u { display: block; height: 12px; border-radius: 3px; min-width: 1px; text-decoration: none; }
        .bar span { text-align: right; font-variant-numeric: tabular-nums; }
        .bar small { display: block; color: var(--soft); line-height: 1.2; }
        .noise u { opacity: .4; }
        .images {
          display: grid; grid-template-columns: repeat(auto-fill, minmax(min(150px, 46%), 1fr));
          gap: 12px; margin: 12px 0;
        }
        .images img { width: 100%; image-rendering: auto; border-radius: 4px; display: block; }
        .images.tiny img { image-rendering: pixelated; }
        .images p { font-size: .85rem; margin: 4px 0 0; overflow-wrap: anywhere; }
        .good { color: var(--good); } .bad { color: var(--bad); }
        details summary { cursor: pointer; margin: 12px 0; }
        """;

    /// <summary>The colour of a series, as CSS.</summary>
    public static string Color(int series) => $"var(--c{series % Colors})";
}
