using System.Globalization;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Comparison;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Explanations;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>What a whole run is asked for.</summary>
internal sealed record JobOptions
{
    /// <summary>Folder of domains.</summary>
    public required string Data { get; init; }

    /// <summary>ONNX file of the source network; null to train one on the first domain.</summary>
    public string? Network { get; init; }

    /// <summary>Whether that file is the pretrained network of a package, which has its channels in another order.</summary>
    public bool IsPretrained { get; init; }

    /// <summary>
    /// Whether the network of that file gets a new head for the classes of the folder, and is trained on the first
    /// domain.
    /// </summary>
    public bool NewHead { get; init; }

    /// <summary>
    /// What the source network is where one is trained; null for the first of the architectures of the task.
    /// </summary>
    public string? Architecture { get; init; }

    /// <summary>
    /// Passes over the source domain's images to train the source network; null for the task's default.
    /// </summary>
    public int? SourceEpochs { get; init; }

    /// <summary>
    /// The learning rate with which the source network is trained on the first domain; null for the task's default.
    /// </summary>
    public double? SourceLearningRate { get; init; }

    /// <summary>The learning rate of a new head; null for the default.</summary>
    public double? HeadLearningRate { get; init; }

    /// <summary>The name of the value that a new head reads; null to find it.</summary>
    public string? HeadFeatures { get; init; }

    /// <summary>
    /// The share of a domain's training images that training is validated on; null for none.
    /// </summary>
    public double? ValidationFraction { get; init; }

    /// <summary>Passes over a domain's images to adapt the source network; null for the task's default.</summary>
    public int? AdaptationEpochs { get; init; }

    /// <summary>The learning rate with which the source network is adapted; null for the task's default.</summary>
    public double? AdaptationLearningRate { get; init; }

    /// <summary>Whether training mirrors images; a mirrored text or traffic sign is another one.</summary>
    public bool Flip { get; init; } = true;

    /// <summary>Whether rare classes count more in training; only for segmentation.</summary>
    public bool BalanceClasses { get; init; }

    /// <summary>
    /// ONNX files of networks that are adapted already, with <c>{domain}</c> in place of the domain's name; null to
    /// adapt the source network.
    /// </summary>
    public string? Adapted { get; init; }

    /// <summary>
    /// What is subtracted from the pixels and what they are divided by; null where the network takes 0 to 255 as they
    /// are.
    /// </summary>
    public ChannelNormalization? Normalization { get; init; }

    /// <summary>The last stage to run.</summary>
    public Stage LastStage { get; init; } = Stage.Merged;

    /// <summary>The domains to serve; null for all but the source's, or for both where there are two.</summary>
    public IReadOnlyList<string>? Domains { get; init; }

    /// <summary>What to merge: names of domains joined by +, <c>pairs</c> or <c>all</c>.</summary>
    public IReadOnlyList<string> Merges { get; init; } = ["pairs", "all"];

    /// <summary>
    /// How networks are quantized by HDRQ, and by other methods where they share it; bits, source and progress are
    /// filled in.
    /// </summary>
    public HdrqOptions Quantization { get; init; } = new();

    /// <summary>What adapted networks tell of the images that they were made on.</summary>
    public SentMoments? Moments { get; init; }

    /// <summary>The images that each network is quantized on; null for as many as the library takes.</summary>
    public int? CalibrationImages { get; init; }

    /// <summary>The methods by which networks are quantized, in the order of the results.</summary>
    public IReadOnlyList<MethodChoice> Methods { get; init; } = MethodChoice.Named("rtn", "hdrq");

    /// <summary>Bits of weights and activations, in the order of the results.</summary>
    public IReadOnlyList<(int Weights, int Activations)> Bits { get; init; } = [(4, 4)];

    /// <summary>
    /// What is compared; null to quantize by each of <see cref="Methods"/> with each of <see cref="Bits"/> once, and to
    /// merge once.
    /// </summary>
    public ComparisonOptions? Comparison { get; init; }

    /// <summary>
    /// Average bits of weights for which HDRQ shares bits out among layers, besides the other ways to quantize.
    /// </summary>
    public IReadOnlyList<double> AverageBits { get; init; } = [];

    /// <summary>By what bits are shared out.</summary>
    public BitAllocationBasis Allocation { get; init; } = BitAllocationBasis.SourceWeights;

    /// <summary>How closely the adapted and the quantized networks are looked at; null for not at all.</summary>
    public ExplanationOptions? Explanation { get; init; }

    /// <summary>Folder for the results; null to only print them.</summary>
    public string? Output { get; init; }

    /// <summary>Seed of everything random.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The images that networks are measured on.</summary>
    public DataSplit MeasuredSplit { get; init; } = DataSplit.Test;

    /// <summary>Images scored at once.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Threads that train and score; null for one for each core.</summary>
    public int? Threads { get; init; }

    /// <summary>
    /// Places whose networks are made at the same time; null for as many as cores and memory are there for, or one
    /// where <see cref="Threads"/> or a GPU is given.
    /// </summary>
    public int? AtOnce { get; init; }

    /// <summary>Number of the GPU; null for the CPU.</summary>
    public int? GpuDeviceId { get; init; }

    /// <summary>The output of <see cref="Network"/> that holds the scores; null where it has one.</summary>
    public string? Scores { get; init; }

    /// <summary>How a network is adapted, with what was asked for.</summary>
    public AdaptationOptions Adapting(AdaptationOptions standard) => standard with
    {
        Epochs = AdaptationEpochs ?? standard.Epochs,
        LearningRate = AdaptationLearningRate ?? standard.LearningRate,
        HorizontalFlip = Flip,
        Moments = Moments ?? new(),
    };

    /// <summary>Reads the network of the file; null if there is none.</summary>
    public Network? LoadNetwork() => Network is null ? null
        : IsPretrained ? PretrainedNetwork.Load(Network)
            : Networks.Network.LoadOnnx(Network, new OnnxLoadOptions { Output = Scores });

    /// <summary>The ways to quantize.</summary>
    public IReadOnlyList<QuantizationPlan> Plans =>
    [
        .. Comparison?.Plans(Quantization) ??
        [
            .. from bits in Bits
               from method in Methods
               select method.Plan(Quantization, bits, Seed),
        ],
        .. AverageBits.Select(average => new QuantizationPlan(
            string.Create(
                CultureInfo.InvariantCulture,
                $"hdrq-mixed{average}{(Allocation == BitAllocationBasis.Images ? "i" : "")}a{Bits[0].Activations}-s{Seed}"),
            string.Create(CultureInfo.InvariantCulture,
                $"HDRQ, {average} bits on average{(Allocation == BitAllocationBasis.Images ? ", by images" : "")}"),
            Quantization with { WeightBits = Bits[0].Weights, ActivationBits = Bits[0].Activations }, Seed, average,
                Allocation)),
    ];

    /// <summary>The ways to merge.</summary>
    public IReadOnlyList<MergingPlan> Mergings => Comparison?.Mergings ?? [MergingPlan.Default];
}
