using System.Collections.Immutable;
using System.Globalization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// The names under which the steps of this library record in <see cref="Network.Metadata"/> what they did.
/// </summary>
public static class NetworkMetadata
{
    /// <summary>The version of this library that adapted, quantized or merged last, for example <c>1.0.0</c>.</summary>
    public const string LibraryVersion = "hdrq.library_version";

    /// <summary>
    /// The number of Torch's threads on which the last step adapted, quantized or merged. The same step gives the same
    /// bytes on the same number: sums of many numbers are shared out among threads, and rounded accordingly.
    /// </summary>
    public const string Threads = "hdrq.threads";

    /// <summary>
    /// How the network was quantized: <c>HDRQ</c>, <c>RTN</c> (rounded to nearest), <c>AdaRound</c>, <c>BRECQ</c>,
    /// <c>QDrop</c> or <c>STE</c> (trained through rounding to nearest).
    /// </summary>
    public const string Method = "hdrq.method";

    /// <summary>
    /// Bits of the weights, 2 to 8; those of the first and the last layers are 8, and layers chosen by name may have
    /// others.
    /// </summary>
    public const string WeightBits = "hdrq.weight_bits";

    /// <summary>Bits of the activations, 2 to 8, with the same exceptions.</summary>
    public const string ActivationBits = "hdrq.activation_bits";

    /// <summary>The number of images that the network was quantized on.</summary>
    public const string CalibrationImages = "hdrq.calibration_images";

    /// <summary>
    /// <see cref="Network.ParametersSha256"/> of the network that this one descends from, the first of the line, which
    /// networks to be merged have in common; where none is known, of the network in full precision.
    /// </summary>
    public const string Source = "hdrq.source_sha256";

    /// <summary>
    /// <see cref="Network.ParametersSha256"/> of the networks that were merged, separated by spaces, in an order that
    /// does not depend on the order of the arguments.
    /// </summary>
    public const string Merged = "hdrq.merged_sha256";

    /// <summary>
    /// How networks were merged: <c>mean</c>, <c>task arithmetic</c>, <c>TIES</c>, <c>RegMean</c>, or the name of a
    /// custom method; followed by <c>, second round</c> and <c>, distilled</c> where images made the result better.
    /// </summary>
    public const string MergeMethod = "hdrq.merge_method";

    /// <summary>
    /// The weights of the merged networks, in the order of <see cref="Merged"/>, separated by spaces.
    /// </summary>
    public const string MergeWeights = "hdrq.merge_weights";

    /// <summary>
    /// The number of steps of a second round that were done with a merged draft, and of all steps, such as
    /// <c>3 of 20</c>, as long as some are left; see <c>MergeMoments</c>.
    /// </summary>
    public const string MergeStep = "hdrq.merge_step";

    /// <summary>
    /// At which places a merged network was distilled, and what it did; <c>DistillationReport</c> reads it.
    /// </summary>
    public const string Distilled = "hdrq.distilled";

    /// <summary>
    /// The prefix of the entries of a merged network that hold the moments which its networks carried, kept by
    /// <c>MergeOptions.KeepMoments</c> for distilling at one place after another; the network's place in
    /// <see cref="Merged"/>, from 0, a slash and the name of a weight follow.
    /// </summary>
    public const string KeptMoments = "hdrq.kept_moments/";

    /// <summary>
    /// The prefix of the entries that say what these moments are, as <see cref="SentMoments"/> does in the networks
    /// that carried them; the network's place in <see cref="Merged"/> follows.
    /// </summary>
    public const string KeptSentMoments = "hdrq.kept_sent_moments/";

    /// <summary>
    /// The names of the classes, in the order of the network's scores, as a JSON array; see
    /// <see cref="Network.ClassNames"/>.
    /// </summary>
    public const string ClassNames = "hdrq.class_names";

    /// <summary>
    /// The means and standard deviations by which the network normalizes its input, of every channel, if
    /// <c>ApplyNetwork</c> has made a normalization part of it.
    /// </summary>
    public const string Normalization = "hdrq.normalization";

    /// <summary>
    /// How the network was adapted without labels, and its scores without labels before and after, as JSON; see
    /// <c>AdaptationReport</c>.
    /// </summary>
    public const string Adaptation = "hdrq.adaptation";

    /// <summary>
    /// Which moments of its layers' inputs the network carries for merging, of how many images and with which noise, as
    /// JSON; see <see cref="SentMomentsReport"/>.
    /// </summary>
    public const string SentMoments = "hdrq.sent_moments";

    /// <summary>
    /// How entries begin that hold the moments of a layer's inputs; the name of the layer's weight follows. See
    /// <see cref="SentMoments"/>.
    /// </summary>
    public const string InputMoments = "hdrq.input_moments/";

    /// <summary>
    /// How entries begin that hold mean and variance of each channel of a layer's outputs on images of the source; the
    /// name of the layer's weight follows. <c>RecordStatistics</c> measures them, for networks whose normalizations are
    /// folded into their layers.
    /// </summary>
    public const string LayerStatistics = "hdrq.layer_statistics/";

    /// <summary>Whether an entry tells what a step of this library did; a normalization is part of the network.</summary>
    internal static bool IsOfStep(string key) =>
        key.StartsWith("hdrq.", StringComparison.Ordinal) && key != Normalization;

    /// <summary>The hash of the first network in the line of a network.</summary>
    internal static string SourceOf(Network network) =>
        network.Metadata.GetValueOrDefault(Source) ?? network.ParametersSha256();

    /// <summary>Adds the entries of a step, the library's version, and the number of threads.</summary>
    internal static ImmutableSortedDictionary<string, string> With(
        this ImmutableSortedDictionary<string, string> metadata,
        params IEnumerable<(string Key, object Value)> entries) =>
        metadata
            .SetItem(LibraryVersion, typeof(NetworkMetadata).Assembly.GetName().Version?.ToString(3) ?? "")
            .SetItem(Threads, torch.get_num_threads().ToString(CultureInfo.InvariantCulture))
            .SetItems(entries.Select(entry => KeyValuePair.Create(
                entry.Key, Convert.ToString(entry.Value, CultureInfo.InvariantCulture) ?? "")));

    /// <summary>The entries that all networks share.</summary>
    internal static ImmutableSortedDictionary<string, string> Common(IEnumerable<INetworkContent> networks) =>
        networks
            .Select(network => network.Metadata)
            .Aggregate((common, metadata) =>
                common.RemoveRange(common.Where(entry => !metadata.Contains(entry)).Select(entry => entry.Key)));
}
