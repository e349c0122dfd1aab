namespace Microsoft.ML.Hdrq.Adaptation;

/// <summary>
/// How a network learns a domain. All methods but <see cref="Labels"/> need images only. Those that move statistics
/// give good networks for their own domain, which are lost on other domains, and so is what is merged from them;
/// <see cref="Student"/> and <see cref="Labels"/> keep the source's statistics, and their networks merge well.
/// </summary>
public enum AdaptationMethod
{
    /// <summary>All weights are fine-tuned on labels. The default. Statistics stay as they are.</summary>
    Labels,

    /// <summary>
    /// The default for sites without labels: another method (<see cref="AdaptationOptions.Teacher"/>) finds the labels,
    /// and the source network, with its statistics kept, learns the probabilities that the adapted network gives.
    /// Classifiers and segmenters.
    /// </summary>
    Student,

    /// <summary>
    /// Mean and variance of every batch normalization are measured on the domain's images and mixed with the source's
    /// (Li et al., 2016; Schneider et al., 2020): all at the first one, half of each
    /// at the others. Nothing is trained; it takes one pass over the images. Moves the statistics. Where the
    /// normalizations are folded into the layers, as in most exported networks, the source needs statistics of its
    /// layers' outputs, which <c>RecordStatistics</c> adds to it; without either, the network stays as it is, with a
    /// warning. A quantized network, merged or not, is brought to a site too: its integers stay as they are, and the
    /// scales of weights that have one for each channel, and biases, change.
    /// </summary>
    Statistics,

    /// <summary>
    /// SHOT (Liang, Hu and Feng, ICML 2020): after <see cref="Statistics"/>, all layers but the head learn to give
    /// features that the head is sure of, in all classes, and those of labels that are found by the nearest centroid of
    /// features, once an epoch. For classifiers, also with folded normalizations. Moves the statistics.
    /// </summary>
    Shot,

    /// <summary>SHOT without its labels (SHOT-IM). Classifiers and segmenters. Moves the statistics.</summary>
    InformationMaximization,

    /// <summary>
    /// After <see cref="Statistics"/>, the network learns what the moving average of itself is sure of, in each class
    /// the surest half (Zou et al., ECCV 2018; Tarvainen and Valpola, NeurIPS 2017). Classifiers and segmenters.
    /// Moves the statistics.
    /// </summary>
    SelfTraining,

    /// <summary>
    /// TENT (Wang et al., ICLR 2021): after <see cref="Statistics"/>, scale and shift of the normalizations learn to
    /// make the network sure. It adds little to the statistics and is here for comparison. It needs normalizations that
    /// are not folded. Moves the statistics.
    /// </summary>
    Entropy,
}
