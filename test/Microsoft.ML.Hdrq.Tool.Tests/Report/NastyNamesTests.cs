using System.Text.RegularExpressions;
using System.Xml.Linq;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Markdig;
using Markdig.Extensions.EmphasisExtras;
using Markdig.Extensions.Tables;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Tool.Charts;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Explanations;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Report;
using Microsoft.ML.Hdrq.Tool.Results;

namespace Microsoft.ML.Hdrq.Tool.Tests.Report;

/// <summary>
/// Whatever folders, classes, layers and methods are called: outputs have their names as text, and nothing else.
/// </summary>
[TestClass]
public sealed partial class NastyNamesTests
{
    private const int Names = 9;

    private static readonly string[] _tame = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii"];

    private static readonly MarkdownPipeline _gitHub = new MarkdownPipelineBuilder()
        .UsePipeTables()
        .UseEmphasisExtras(EmphasisExtraOptions.Strikethrough)
        .UseAutoLinks()
        .UseMathematics()
        .UseTaskLists()
        .Build();

    private static readonly byte[] _pixel = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    public static IEnumerable<object[]> Seeds => Enumerable.Range(1, 40).Select(seed => new object[] { seed });

    [TestMethod]
    [DynamicData(nameof(Seeds))]
    public void The_report_has_the_elements_that_it_has_with_tame_names(int seed)
    {
        var names = NastyNames.Of(seed, Names);
        var html = HtmlReport.Create(Run(names));
        // In strict mode every error of the text is thrown.
        var page = new HtmlParser(new HtmlParserOptions { IsStrictMode = true }).ParseDocument(html);
        var tame = new HtmlParser().ParseDocument(HtmlReport.Create(Run(_tame)));
        CollectionAssert.AreEqual(Structure(tame), Structure(page));

        var text = NastyNames.Seen(page.Body!.TextContent);
        foreach (var name in names)
            StringAssert.Contains(text, NastyNames.Seen(name));
        CollectionAssert.Contains(Column(page, "All networks"), NastyNames.Seen($"{names[2]} W4A4"));
        CollectionAssert.Contains(Column(page, "IoU by class"), NastyNames.Seen(names[0]));
        CollectionAssert.Contains(Column(page, "IoU by class"), NastyNames.Seen(names[3]));
        var plot = NastyNames.Seen($"Loss from {names[0]} to {names[1]} on {names[0]}");
        CollectionAssert.Contains(Attributes(page, "svg", "aria-label"), plot);
        CollectionAssert.Contains(Attributes(page, "img", "alt"), NastyNames.Seen(names[6]));

        foreach (Match svg in Svg().Matches(html))
            Assert.AreEqual("svg", XDocument.Parse(svg.Value).Root!.Name.LocalName);
    }

    [TestMethod]
    [DynamicData(nameof(Seeds))]
    public void Markdown_tables_keep_their_columns_and_names_are_text(int seed)
    {
        var names = NastyNames.Of(seed, Names);
        var markdown = Markdown.Parse(Comparison(names).ToMarkdown(), _gitHub);
        var tame = Markdown.Parse(Comparison(_tame).ToMarkdown(), _gitHub);
        CollectionAssert.AreEqual(tame.Select(Kind).ToList(), markdown.Select(Kind).ToList());

        var cells = new List<string>();
        foreach (var (table, expected) in markdown.OfType<Table>().Zip(tame.OfType<Table>()))
        {
            CollectionAssert.AreEqual(
                expected.Cast<TableRow>().Select(row => row.Count).ToList(),
                table.Cast<TableRow>().Select(row => row.Count).ToList());
            foreach (var cell in table.Cast<TableRow>().SelectMany(row => row.Cast<TableCell>()))
                cells.Add(Text(((ParagraphBlock?)cell.SingleOrDefault())?.Inline));
        }
        foreach (var name in (string[])[names[0], names[1], names[2], $"{names[0]}+{names[1]}"])
            CollectionAssert.Contains(cells, NastyNames.Seen(name));

        var titles = markdown.OfType<ParagraphBlock>().Skip(1)
            .Select(paragraph => Text((EmphasisInline)paragraph.Inline!.Single()))
            .ToList();
        CollectionAssert.Contains(titles, NastyNames.Seen($"W4A4: {names[0]}+{names[1]}, domain by domain"));
    }

    [TestMethod]
    [DynamicData(nameof(Seeds))]
    public void Charts_are_XML_with_their_titles_and_files_have_plain_names(int seed)
    {
        var names = NastyNames.Of(seed, Names);
        var run = Run(names);
        List<(string File, Chart Chart)> charts =
        [
            .. Comparison(names).Charts(),
            .. ExplanationCharts.Create(run.Explanations),
            ("merged", ResultChart.Create(run.Results, VisionTask.Segmentation)!),
        ];
        foreach (var (file, chart) in charts)
        {
            using var svg = new MemoryStream(chart.ToSvg());
            var root = XDocument.Load(svg).Root!;
            var title = root.Element(root.Name.Namespace + "title")!.Value;
            Assert.AreEqual(NastyNames.Seen(chart.Title), NastyNames.Seen(title));
            Assert.IsTrue(file.All(letter => char.IsLetterOrDigit(letter) || letter is '.' or '_' or '+' or '-'), file);
        }
        Assert.HasCount(charts.Count, charts.Select(chart => chart.File).Distinct());
        StringAssert.StartsWith(charts[1].Chart.Title, $"W4A4: {names[0]}+{names[1]} in");
    }

    [TestMethod]
    [DynamicData(nameof(Seeds))]
    public void Results_are_read_as_they_were_written(int seed)
    {
        var names = NastyNames.Of(seed, Names);
        using var folder = new TemporaryDirectory();
        var path = Path.Combine(folder.Path, "results.json");
        ResultsFile.Write(path, Run(names).Results);
        var merged = ResultsFile.Read(path).Rows.First(row => row.Merged is not null);
        CollectionAssert.AreEqual(new[] { Json(names[0]), Json(names[1]) }, merged.Merged!.ToArray());
        Assert.AreEqual(Json(names[2]), merged.Method);
        Assert.AreEqual(Json(names[3]), merged.Classes![Json(names[0])].Keys.First());

        // A lone half of a surrogate pair has no form in UTF-8.
        static string Json(string name) => name.Replace('\uD800', '\uFFFD');
    }

    /// <summary>Every element with its attributes; of those that say how something looks, with their values.</summary>
    private static List<string> Structure(IHtmlDocument page) =>
        [.. page.All.Select(element => string.Join(' ', element.Attributes.Select(Attribute).Prepend(element.LocalName)))];

    private static string Attribute(IAttr attribute) =>
        attribute.Name is "style" or "class" ? $"{attribute.Name}={attribute.Value}" : attribute.Name;

    private static List<string> Attributes(IHtmlDocument page, string element, string attribute) =>
        [.. page.QuerySelectorAll(element).Select(found => NastyNames.Seen(found.GetAttribute(attribute)!))];

    /// <summary>The first column of a table, with headings of rows.</summary>
    private static List<string> Column(IHtmlDocument page, string table) =>
    [
        .. page.QuerySelectorAll("div.scroll").Single(scroll => scroll.GetAttribute("aria-label") == table)
            .QuerySelectorAll("tbody tr").Select(row => NastyNames.Seen(row.FirstElementChild!.TextContent)),
    ];

    private static string Kind(Block block) => block.GetType().Name;

    /// <summary>The text of a cell or a title, which has nothing but text.</summary>
    private static string Text(ContainerInline? inline)
    {
        var parts = inline?.ToList() ?? [];
        foreach (var part in parts)
            Assert.IsInstanceOfType<LiteralInline>(part);
        return NastyNames.Seen(string.Concat(parts.Cast<LiteralInline>().Select(part => part.Content.ToString())));
    }

    private static ComparisonReport Comparison(IReadOnlyList<string> names) =>
        new(Run(names).Results, VisionTask.Classification);

    private static RunReport Run(IReadOnlyList<string> names)
    {
        var (first, second, method, label, other, layer, picture, file) =
            (names[0], names[1], names[2], names[3], names[4], names[5], names[6], names[7]);
        var scores = new OrderedDictionary<string, double>([new(first, 0.625), new(second, 0.594)]);
        var classes = new OrderedDictionary<string, double>([new(label, 0.5), new(other, 0.75)]);
        var quantized = new ResultRow
        {
            Stage = "quantized",
            Method = method,
            Network = "",
            Domains = scores,
            Domain = first,
            WeightBits = 4,
            ActivationBits = 4,
            Seed = 1,
        };
        var merged = quantized with
        {
            Stage = "merged",
            Domain = null,
            Merged = [first, second],
            Merging = "default",
            HarmonicMean = 0.6,
            Classes = new([new(first, classes), new(second, classes)]),
        };
        LinePoint[] points = [new(0, 1, 0.7), new(1, 1.2, 0.65)];
        return new RunReport
        {
            Task = VisionTask.Segmentation,
            Domains = [first, second],
            Results = new ResultsDocument
            {
                Task = "segmentation",
                Rows = [quantized, quantized with { Domain = second }, merged, merged with { Method = names[8] }],
            },
            Explanations =
            [
                new Explanation
                {
                    Name = "name",
                    Method = method,
                    Networks =
                    [
                        new(first, 1, 0.7, 12, 3, 5, 4, 0.1, new([new(layer, 10.5)])),
                        new(second, 1, 0.7, 12, 3, 5, 4, 0.1, new([new(layer, 10.5)])),
                    ],
                    Lines =
                    [
                        new(first, second, first, 0.3, 0.05, points), new(first, second, second, 0.3, 0.05, points),
                    ],
                    Layers = [new(layer, "W4A4", 31.4, 0.25, 0.1) { LossAloneError = 0.2 }],
                    Images = 16,
                    Overrides = layer,
                },
            ],
            Histograms =
            [
                new QuantizerHistogram(layer, true, 4, -1, 0.9, 0.015, -1.25, 1.15, [1, 5, 100, 4, 2]),
                new QuantizerHistogram(layer, false, 4, 0, 2, 0, -0.25, 2.25, [0, 900, 40, 3, 1]),
            ],
            HistogramNetwork = file,
            Predictions =
            [
                (method, [new(first, file, _pixel, picture, other) { TruePicture = _pixel, PredictedPicture = _pixel }]),
            ],
            PictureKey = [(label, "#112233")],
        };
    }

    [GeneratedRegex("<svg .*?</svg>", RegexOptions.Singleline)]
    private static partial Regex Svg();
}
