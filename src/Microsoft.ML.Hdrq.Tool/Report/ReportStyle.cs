namespace Microsoft.ML.Hdrq.Tool.Report;

/// <summary>How a report looks, in light and dark.</summary>
internal static class ReportStyle
{
    /// <summary>The number of colours for series.</summary>
    public const int Colors = 6;

    /// <summary>The style sheet.</summary>
    public const string Css = """
        :root { color-scheme: light dark; --back: #ffffff; --panel: #f6f7f9; --text: #1d232b; --soft: #5b6672; --line: #d9dee4; --c0: #0072b2; --c1: #b87700; --c2: #008060; --c3: #c4500a; --c4: #8a5fa8; --c5: #4a5560; --good: #1b7f4d; --bad: #b3261e; }
        @media (prefers-color-scheme: dark) { :root { --back: #14181d; --panel: #1d232a; --text: #e8ecf0; --soft: #a3aeb9; --line: #39424d; --c0: #56b4e9; --c1: #f0b13c; --c2: #2fc79b; --c3: #ff8a4c; --c4: #cf9fe8; --c5: #c3ccd6; --good: #5fd394; --bad: #ff8a80; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
        main { max-width: 1160px; margin: 0 auto; padding: 24px 16px 64px; }
        h1 { font-size: 1.7rem; line-height: 1.2; margin: 8px 0; }
        h2 { font-size: 1.25rem; margin: 48px 0 8px; }
        h3 { font-size: 1rem; margin: 24px 0 4px; }
        p { max-width: 75ch; margin: 8px 0; }
        .soft { color: var(--soft); }
        .scroll { overflow-x: auto; margin: 12px 0; border: 1px solid var(--line); border-radius: 8px; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
        th, td { padding: 6px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
        th { color: var(--soft); font-weight: 600; background: var(--panel); }
        th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
        table.two th:nth-child(3), table.two td:nth-child(3) { text-align: right; }
        tr:last-child td { border-bottom: 0; }
        .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); gap: 16px; margin: 12px 0; }
        .small { grid-template-columns: repeat(auto-fill, minmax(min(250px, 100%), 1fr)); }
        figure { margin: 0; padding: 12px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
        figcaption { font-size: .9rem; font-weight: 600; margin-bottom: 6px; overflow-wrap: anywhere; }
        figcaption span { font-weight: 400; color: var(--soft); }
        svg { display: block; width: 100%; height: auto; }
        svg text { fill: var(--soft); font-size: 12px; font-family: inherit; }
        .axis { stroke: var(--line); stroke-width: 1; fill: none; }
        .clip { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
        .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0; padding: 0; list-style: none; font-size: .9rem; }
        .legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
        .bar { display: grid; grid-template-columns: minmax(80px, 2fr) 3fr 60px; gap: 8px; align-items: center; font-size: .85rem; margin: 3px 0; }
        .bar b { font-weight: 400; overflow-wrap: anywhere; }
        .bar u { display: block; height: 12px; border-radius: 3px; min-width: 1px; text-decoration: none; }
        .bar span { text-align: right; font-variant-numeric: tabular-nums; }
        .images { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(150px, 46%), 1fr)); gap: 12px; margin: 12px 0; }
        .images img { width: 100%; image-rendering: auto; border-radius: 4px; display: block; }
        .images.tiny img { image-rendering: pixelated; }
        .images p { font-size: .85rem; margin: 4px 0 0; overflow-wrap: anywhere; }
        .good { color: var(--good); } .bad { color: var(--bad); }
        pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-x: auto; font-size: .85rem; }
        details summary { cursor: pointer; margin: 12px 0; }
        """;

    /// <summary>The colour of a series, as CSS.</summary>
    public static string Color(int series) => $"var(--c{series % Colors})";
}
