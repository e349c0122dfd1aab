using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tool.Comparison;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>What networks are asked to do: the words for it, and what is done where nothing else is said.</summary>
internal sealed record VisionTask
{
    /// <summary>
    /// The side of images that networks are trained for with shifts of two pixels; larger images are shifted as much in
    /// proportion.
    /// </summary>
    private const int SmallImage = 32;

    /// <summary>One class an image.</summary>
    public static VisionTask Classification { get; } = new()
    {
        Name = "classification",
        Score = "Top-1 accuracy",
        Scores = "top-1 accuracies",
        Architectures = ["resnet-14", "resnet-18", "mobilenet-v2"],
        Methods = MethodChoice.Named("rtn", "hdrq"),
        Bits = [(4, 4)],
        Adaptation = height =>
        {
            var standard = new AdaptationOptions();
            return standard with
            {
                CropPadding = Math.Max(standard.CropPadding, standard.CropPadding * height / SmallImage),
            };
        },
    };

    /// <summary>A class for every pixel.</summary>
    public static VisionTask Segmentation { get; } = new()
    {
        Name = "segmentation",
        Score = "Mean IoU",
        Scores = "mean IoUs",
        Architectures = ["small-deeplab", "deeplab-18", "segformer-b0"],
        Methods = MethodChoice.Named("rtn", "qdrop", "hdrq"),
        Bits = [(8, 8), (4, 4)],
        // A step learns from hundreds of places in an image, where one that is to be classified has few.
        Quantization = new() { Training = new() { Iterations = 100 } },
        Adaptation = _ => new()
        {
            Epochs = 10,
            BatchSize = 8,
            Optimizer = FineTuningOptimizer.AdamW,
            LearningRate = 3e-4,
        },
    };

    /// <summary>The task's name in results.json.</summary>
    public required string Name { get; init; }

    /// <summary>What is measured, as a title begins.</summary>
    public required string Score { get; init; }

    /// <summary>The same, several of them, within a sentence.</summary>
    public required string Scores { get; init; }

    /// <summary>The networks that can be trained from the beginning; the first is the default.</summary>
    public required IReadOnlyList<string> Architectures { get; init; }

    /// <summary>The methods of quantization of a run.</summary>
    public required IReadOnlyList<MethodChoice> Methods { get; init; }

    /// <summary>Bits of weights and activations of a run; the last of them for a single network.</summary>
    public required IReadOnlyList<(int Weights, int Activations)> Bits { get; init; }

    /// <summary>How networks are quantized.</summary>
    public HdrqOptions Quantization { get; init; } = new();

    /// <summary>How networks are adapted to images of a height.</summary>
    public required Func<int, AdaptationOptions> Adaptation { get; init; }

    /// <summary>Checks that it is clear which output holds the scores, and of what.</summary>
    /// <exception cref="InvalidDataException">
    /// The network has several outputs, scores of one pixel, which may be those of an image, or pixels before classes.
    /// </exception>
    public static void CheckOutput(Network network)
    {
        var outputs = network.Graph.Outputs;
        if (outputs.Length > 1)
        {
            throw new InvalidDataException(
                $"The network has {outputs.Length} outputs, {string.Join(", ", outputs)}; "
                + "--scores says which one holds the scores.");
        }
        if (outputs[0].Shape is [_, _, 1, 1])
        {
            throw new InvalidDataException(
                $"The network's output {outputs[0]} has scores of one pixel. If they are those of a whole image, export "
                + "the network with a Flatten at its end: [N, classes].");
        }
        if (network.Graph.Inputs[0].Shape is [_, _, > 0 and var height, > 0 and var width]
            && outputs[0].Shape is [_, var rows, var columns, var last]
            && (rows, columns) == (height, width) && last != width)
        {
            throw new InvalidDataException(
                $"The network's output {outputs[0]} has the scores of a pixel one after the other, [N, height, width, "
                + "classes]; export it with a Transpose at its end: [N, classes, height, width].");
        }
    }

    /// <summary>The task of a network, by what it gives.</summary>
    /// <exception cref="InvalidDataException">
    /// It gives neither scores of classes nor those of classes for every pixel, or has several outputs.
    /// </exception>
    public static VisionTask Of(Network network)
    {
        var output = network.Graph.Outputs[0];
        CheckOutput(network);
        return output.Shape.Length switch
        {
            2 => Classification,
            4 => Segmentation,
            _ => throw new InvalidDataException(
                $"The network's output {output} has neither scores of classes [N, classes] nor scores of classes for "
                    + "every pixel [N, classes, height, width]."),
        };
    }
}
