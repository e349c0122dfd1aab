using Microsoft.ML;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;

namespace Hdrq.Samples.Lessons;

/// <summary>
/// A centre merges the files of two sites, and the merged network then goes to one site after the other. Each trains it
/// on its own images, without labels, to give what the site's own network gives, and holds it to what it gives at the
/// other one. What travels is one ONNX file.
/// </summary>
internal static class InTurns
{
    private static readonly string[] _sites = ["fog", "night"];

    public static void Run(string folder)
    {
        var signs = Path.Combine(folder, "few-signs");
        TrafficSigns.Draw(signs, seed: 1, trainPerClass: 40, testPerClass: 20, SitesAndCentre.Classes);
        var source = Path.Combine(folder, "source.onnx");
        SitesAndCentre.TrainSource(Path.Combine(signs, "clear", "train"), source);
        foreach (var site in _sites)
            SitesAndCentre.AtSite(Train(site), source, Own(site));

        // At the centre: the merged network keeps the moments of the inputs of layers that the sites' networks carry.
        var draft = Path.Combine(folder, "draft.onnx");
        Merge([.. _sites.Select(Own)], draft);
        Measure("merged", draft);

        // Each of these is a machine of its own; the order is free.
        foreach (var (turn, site) in _sites.Index())
        {
            var next = Path.Combine(folder, $"after-{site}.onnx");
            AtSite(Train(site), draft, Own(site), isLast: turn == _sites.Length - 1, next);
            Measure($"after {site}", next);
            draft = next;
        }
        Console.WriteLine($"{Path.GetFileName(draft)}: {new FileInfo(draft).Length:N0} bytes");

        string Own(string site) => Path.Combine(folder, $"{site}.onnx");

        string Train(string site) => Path.Combine(signs, site, "train");

        void Measure(string name, string file)
        {
            var ml = new MLContext(seed: 1);
            using var network = Network.LoadOnnx(file);
            var test = SitesAndCentre.Images(ml, [.. _sites.Select(site => Path.Combine(signs, site, "test"))]);
            using var model = SitesAndCentre.Reading(ml)
                .Append(ml.Transforms.ApplyNetwork(
                    "Score", "Pixels", network, new ScoringOptions { ClassNames = SitesAndCentre.Classes }))
                .Fit(test);
            var metrics = ml.MulticlassClassification.EvaluateByDomain(model.Transform(test));
            Console.WriteLine($"{name}: " + string.Join(", ", metrics.Domains.Select(
                domain => $"{domain.Domain} {domain.Score:P1}")));
        }
    }

    private static void Merge(string[] files, string draft)
    {
        var networks = Array.ConvertAll(files, Network.LoadOnnx);
        using var merged = NetworkMerger.Merge(networks, new() { KeepMoments = true });
        merged.SaveOnnx(draft);
        Array.ForEach(networks, network => network.Dispose());
    }

    /// <summary>A site needs the draft, its own network and its own images; classes are not looked at.</summary>
    private static void AtSite(string images, string draftFile, string ownFile, bool isLast, string file)
    {
        var ml = new MLContext(seed: 1);
        using var draft = Network.LoadOnnx(draftFile);
        using var own = Network.LoadOnnx(ownFile);
        var rows = SitesAndCentre.Images(ml, images);
        var options = new DistillationOptions { Steps = 100, HorizontalFlip = false };
        using var trained = ml.Model.DistillAtPlace(
            SitesAndCentre.Reading(ml).Fit(rows).Transform(rows), "Pixels", draft, own, options, keepMoments: !isLast);
        trained.SaveOnnx(file);
    }
}
