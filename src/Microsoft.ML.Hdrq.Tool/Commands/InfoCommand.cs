using System.CommandLine;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json.Nodes;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Scoring;
using Microsoft.ML.Hdrq.Tool.Jobs;
using Microsoft.ML.Hdrq.Tool.Terminal;
using Microsoft.ML.OnnxRuntime;
using CliCommand = System.CommandLine.Command;

namespace Microsoft.ML.Hdrq.Tool.Commands;

/// <summary><c>hdrq info</c>: what a file is.</summary>
internal static class InfoCommand
{
    /// <summary>The name that ML.NET's transformer around ONNX Runtime gives to its network in a model.</summary>
    private const string NetworkEntry = "OnnxModel";

    /// <summary>What moments of hdrq measure begin with.</summary>
    private static ReadOnlySpan<byte> MomentsStart => "hdrq moments"u8;

    private const int ShortestName = 16;

    private const int FloatBits = 32;

    public static CliCommand Create(Action<Work> run)
    {
        var file = new Argument<string>(
            "file")
        {
            Description = "An ONNX file, a model that ml.Model.Save or hdrq wrote (.zip), or moments of hdrq measure."
        };
        file.CustomParser = result => Arguments.ParseFile(result, "file", result.Tokens[^1].Value);
        var json = CommonArguments.Json();
        var command =
            new CliCommand("info",
            "Says what a file is: task, classes, bits of each layer, integer layers, sizes, how it was made, and what "
            + "statistics it carries.") { file, json };
        command.SetAction(
            result => run(new(result.GetValue(json), session => Show(result.GetValue(file)!, session.Output))));
        return command;
    }

    private static void Show(string path, Output output)
    {
        if (HoldsMoments(path))
        {
            DescribeMoments(path, output);
            return;
        }
        foreach (var (name, network) in Networks(path))
        {
            using (network)
                Describe(path, name, network, output);
        }
    }

    private static bool HoldsMoments(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[MomentsStart.Length + 1];
        // Before the text stands its length.
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length
            && start[1..].SequenceEqual(MomentsStart);
    }

    private static void DescribeMoments(string path, Output output)
    {
        using var moments = MergeMoments.Load(path);
        var bytes = new FileInfo(path).Length;
        output.Event("info", () => new JsonObject
        {
            ["file"] = path,
            ["bytes"] = bytes,
            ["step"] = moments.Step + 1,
            ["steps"] = moments.Steps,
            ["images"] = moments.Images,
            ["draft"] = moments.Draft,
            ["network"] = moments.Network,
        });
        Say(output,
        [
            ("file", $"{path}, what a place measured in a merged draft, for hdrq merge --draft"),
            ("size", string.Create(CultureInfo.InvariantCulture, $"{bytes:N0} bytes")),
            ("step", $"{moments.Step + 1} of {moments.Steps}"),
            ("images", string.Create(
                CultureInfo.InvariantCulture,
                $"means and covariances over {moments.Images:N0} images, no image; nothing is guaranteed of what they "
                + $"tell of one")),
            ("draft", $"parameters with the SHA-256 {moments.Draft}"),
            ("network", $"that of the place, parameters with the SHA-256 {moments.Network}"),
        ]);
    }

    private static void Say(Output output, IReadOnlyList<(string Name, string Text)> facts)
    {
        var width = facts.Max(fact => fact.Name.Length) + 2;
        foreach (var (name, text) in facts)
            output.Say($"{name.PadRight(width)}{text}");
    }

    /// <summary>The network of an ONNX file, or those in an ML.NET model.</summary>
    private static List<(string? Entry, Network Network)> Networks(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[2];
        // Zip files begin with PK; in an ONNX file the first byte is the tag of a field, and that of no field that it
        // has.
        if (file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length
            || start is not [(byte)'P', (byte)'K'])
            return [(null, Network.LoadOnnx(path))];
        try
        {
            using var archive = ZipFile.OpenRead(path);
            var found = new List<(string?, Network)>();
            foreach (var entry in archive.Entries.Where(entry => entry.Name == NetworkEntry))
            {
                // ML.NET writes the number of bytes before them.
                using var content = new BinaryReader(entry.Open());
                using var bytes = new MemoryStream(content.ReadBytes(content.ReadInt32()));
                found.Add((entry.FullName, Network.LoadOnnx(bytes)));
            }
            return found.Count > 0 ? found
                : throw new InvalidDataException($"'{path}' is a zip file without a network in it.");
        }
        catch (InvalidDataException exception) when (!exception.Message.Contains(path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"'{path}': {exception.Message}", exception);
        }
    }

    private static void Describe(string path, string? entry, Network network, Output output)
    {
        var graph = network.Graph;
        OnnxReport? report = null;
        string? rejected = null;
        try
        {
            report = OnnxReport.Of(network);
        }
        catch (OnnxRuntimeException exception)
        {
            rejected = exception.Message;
        }
        var metadata = network.Metadata;
        var moments = SentMomentsReport.Of(network);
        var entries = metadata.Where(entry => NetworkFiles.IsMoments(entry.Key)).ToList();
        var normalizations = graph.Nodes.Count(node => node.Operator.Type == "BatchNormalization");
        var parameters = network.Parameters.Values.Sum(tensor => tensor.numel());
        var quantized = report?.Layers.Any(layer => layer.WeightBits is not null) == true;

        var facts = new List<(string Name, string Key, string Text)>
        {
            ("file", "file", path + (entry is null ? "" : $", an ML.NET model; its network is {entry}")),
            ("size", "bytes",
                string.Create(
                    CultureInfo.InvariantCulture, $"{new FileInfo(path).Length:N0} bytes; {parameters:N0} parameters")),
            ("task", "task", Task(network, isServed: entry is not null)),
            ("classes", "classes", network.ClassNames is { } names ? string.Join(", ", names) : "without names"),
            ("input", "input", string.Join(", ", graph.Inputs)),
            ("output", "output", string.Join(", ", graph.Outputs)),
        };
        if (report is not null)
        {
            facts.Add(("bits", "bits", !quantized ? "full precision"
                : string.Join(", ", report.Layers.GroupBy(Bits).Select(group => $"{group.Count()} {group.Key}"))));
            if (quantized)
            {
                var unsigned = report.Layers.Count(layer => layer is { IsInteger: true, HasSignedWeight: false });
                facts.Add(("integer kernels", "integerLayers",
                    $"{report.Layers.Count(layer => layer.IsInteger)} of {report.Layers.Length} layers in ONNX Runtime"
                    + (unsigned > 0 ? $", {unsigned} with unsigned weights" : "")));
            }
        }
        if (rejected is not null)
            facts.Add(("ONNX Runtime", "rejected", $"rejects it: {rejected.Split('\n')[0]}"));
        facts.Add(("normalization", "batchNormalizations", normalizations > 0
            ? $"{normalizations} BatchNormalization with statistics of their own"
                : "no BatchNormalization: folded into the layers, or of another kind"));
        facts.Add(("for merging", "moments",
            (metadata.ContainsKey(NetworkMetadata.Merged) ? "where it is merged in turn, " : "")
            + Moments(moments, entries.Count)));
        if (moments is { Layers: > 0 })
            facts.Add(("noise on them", "noise", Noise(moments.Noise)));
        if (metadata.Keys.Count(key => key.StartsWith(NetworkMetadata.LayerStatistics, StringComparison.Ordinal)) is > 0
            and var measured)
            facts.Add(("for adapting", "layerStatistics",
                $"statistics of the outputs of {measured} layers on images of the source"));
        if (AdaptationReport.Of(network) is { } adaptation)
            facts.Add(("adapted", "adaptation",
                string.Create(
                    CultureInfo.InvariantCulture, $"without labels, to {adaptation.Images:N0} images ")
                + (adaptation.KeptSource is { } reason
                    ? $"of which nothing was learned, the network is as it was: {reason} It was to be "
                    : "")
                + $"by the method {adaptation.Method}; " + Scores(adaptation)));
        var kept = metadata.Where(entry => NetworkFiles.IsKeptMoments(entry.Key)).ToList();
        var keptReports = SentMomentsReport.OfKept(network);
        if (kept.Count > 0)
        {
            facts.Add(("for distilling", "keptMoments",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Bytes(kept):N0} bytes of moments that the networks carried which it was ")
                + $"merged from ({string.Join("; ", keptReports.Select(Kept).Distinct())}): hdrq distill at one place after "
                + "another"));
        }
        foreach (var (number, turn) in DistillationReport.Of(network).Index())
        {
            facts.Add(($"distilled, turn {number + 1}", $"distilled{number + 1}", string.Create(
                CultureInfo.InvariantCulture,
                $"at the place of network {turn.Network[..12]}, on {turn.Images:N0} images; it finds the class that that network "
                + $"finds for {turn.AgreementAfter:P1} of them, before for {turn.AgreementBefore:P1}")));
        }
        if (metadata.GetValueOrDefault(NetworkMetadata.MergeStep) is { } done)
            facts.Add(("draft", "draft",
                $"step {done} of a second round is done; next: hdrq measure at each place, and hdrq merge --draft"));
        foreach (var (key, value) in metadata.Where(
            pair => !NetworkFiles.IsMoments(pair.Key) && !NetworkFiles.IsKeptMoments(pair.Key)
            && !pair.Key.StartsWith(NetworkMetadata.KeptSentMoments, StringComparison.Ordinal)
            && !pair.Key.StartsWith(NetworkMetadata.LayerStatistics, StringComparison.Ordinal)
            && pair.Key is not (NetworkMetadata.ClassNames or NetworkMetadata.Adaptation
                or NetworkMetadata.SentMoments or NetworkMetadata.MergeStep or NetworkMetadata.Distilled)))
            facts.Add((key, key, value));

        output.Event("info", () =>
        {
            var data = new JsonObject(facts.Select(fact => KeyValuePair.Create(fact.Key, (JsonNode?)fact.Text)))
            {
                ["classes"] = network.ClassNames is { } list ? new JsonArray([.. list.Select(name => (JsonNode)name)])
                    : null,
                ["bytes"] = new FileInfo(path).Length,
                ["parameters"] = parameters,
                ["moments"] = new JsonObject
                {
                    ["kind"] = moments is null && entries.Count > 0 ? "unknown"
                        : Kind(moments?.Kind ?? MomentsKind.Nothing),
                    ["images"] = moments?.Images,
                    ["layers"] = entries.Count,
                    ["bytes"] = Bytes(entries),
                },
                ["keptMoments"] = kept.Count == 0 ? null : new JsonObject
                {
                    ["bytes"] = Bytes(kept),
                    ["networks"] = new JsonArray([.. keptReports.Select(one => one is null ? null : (JsonNode)new JsonObject
                    {
                        ["kind"] = Kind(one.Kind),
                        ["images"] = one.Images,
                        ["noise"] = NoiseData(one.Noise),
                    })]),
                },
                ["noise"] = NoiseData(moments?.Noise),
                ["batchNormalizations"] = normalizations,
            };
            if (report is not null)
            {
                data["layers"] = new JsonArray([.. report.Layers.Select(layer => (JsonNode)new JsonObject
                {
                    ["name"] = layer.Name,
                    ["type"] = layer.Type,
                    ["weightBits"] = layer.WeightBits,
                    ["inputBits"] = layer.InputBits,
                    ["isInteger"] = layer.IsInteger,
                    ["hasSignedWeight"] = layer.HasSignedWeight,
                    ["reason"] = layer.Reason,
                    ["remedy"] = layer.Remedy,
                })]);
            }
            return data;
        });
        Say(output, [.. facts.Select(fact => (fact.Name, fact.Text))]);
        if (!quantized)
            return;
        var table = new TextTable().Add(new TextTable.Column("layer", MinimumWidth: ShortestName))
            .Add(new TextTable.Column("type")).Add(new TextTable.Column("bits"))
            .Add(new TextTable.Column("kernel", MinimumWidth: ShortestName));
        foreach (var layer in report!.Layers)
            table.Add([layer.Name, layer.Type, Bits(layer), Kernel(layer)]);
        output.Show(table);
    }

    private static long Bytes(IEnumerable<KeyValuePair<string, string>> entries) =>
        entries.Sum(entry => (long)entry.Value.Length);

    private static string Moments(SentMomentsReport? moments, int layers)
    {
        if (moments is null)
        {
            return layers == 0 ? "no moments: merged by the mean"
                : "moments of which the file does not say how many images they are of: merged by RegMean";
        }
        return layers == 0
            ? string.Create(
                CultureInfo.InvariantCulture, $"no moments, {moments.Images:N0} images are too few: merged by the mean")
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{Kind(moments.Kind)} moments of the inputs of {layers} layers on {moments.Images:N0} images, "
                + $"{moments.Bytes:N0} bytes: merged by RegMean");
    }

    private static string Kept(SentMomentsReport? sent) => sent is null
        ? "of which the file does not say how many images they are of"
        : string.Create(CultureInfo.InvariantCulture, $"{Kind(sent.Kind)}, of {sent.Images:N0} images, ")
            + (sent.Noise is { } noise
                ? string.Create(
                    CultureInfo.InvariantCulture, $"with noise of epsilon {noise.Epsilon}, delta {noise.Delta}")
                : "without noise");

    private static JsonObject? NoiseData(MomentNoise? noise) =>
        noise is null ? null : new() { ["epsilon"] = noise.Epsilon, ["delta"] = noise.Delta };

    private static string Noise(MomentNoise? noise) => noise is null
        ? "none: nothing is guaranteed of what they tell of an image"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"(epsilon {noise.Epsilon}, delta {noise.Delta}) differential privacy of each image; not of the weights");

    private static string Scores(AdaptationReport adaptation)
    {
        var (before, after) = (adaptation.Before, adaptation.After);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"information, in nats, which is more the surer and the more varied its answers are, {before.Information:0.00} ")
            + string.Create(
                CultureInfo.InvariantCulture,
                $"before, {after.Information:0.00} after; entropy, which is less the surer it is, {before.MeanEntropy:0.00} ")
            + string.Create(
                CultureInfo.InvariantCulture,
                $"and {after.MeanEntropy:0.00}; {after.SourceAgreement:0%} of the images in the classes of before");
    }

    private static string Kind(MomentsKind kind) => kind switch
    {
        MomentsKind.Whole => "whole",
        MomentsKind.LowRank => "low-rank",
        _ => "nothing",
    };

    private static string Kernel(LayerReport layer) => layer switch
    {
        { IsInteger: false } => $"float: {layer.Reason} {layer.Remedy}",
        { HasSignedWeight: false } => "integer, unsigned weight",
        _ => "integer",
    };

    private static string Bits(LayerReport layer) =>
        string.Create(CultureInfo.InvariantCulture, $"W{layer.WeightBits ?? FloatBits}A{layer.InputBits ?? FloatBits}");

    /// <param name="network">The network.</param>
    /// <param name="isServed">Whether it is that of a model, which takes one image at a time.</param>
    private static string Task(Network network, bool isServed)
    {
        var output = network.Graph.Outputs[0].Shape;
        long[] shape = isServed && output.Length is (1 or 3) ? [1, .. output] : [.. output];
        return shape switch
        {
            [_, var classes] => $"classification, {Count(classes)}",
            [_, var classes, 1, 1] => $"scores of one pixel, {Count(classes)}: flattened, those of an image",
            [_, var classes, _, _] => $"segmentation, {Count(classes)}",
            _ => "unknown: its output has neither the shape [N, classes] nor [N, classes, height, width]",
        };
    }

    private static string Count(long classes) => classes == 1 ? "1 class" : classes > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{classes} classes") : "any number of classes";
}
