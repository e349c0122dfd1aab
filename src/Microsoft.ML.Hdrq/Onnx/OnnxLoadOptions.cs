using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>How a network is read from ONNX.</summary>
public sealed record OnnxLoadOptions
{
    /// <summary>
    /// How many bytes one value may take, at least 1: each tensor of the file, each constant that is computed when it
    /// is read, and later, for each row of a batch, each value that the network computes, see
    /// <see cref="Network.MaxValueSize"/>. 1,073,741,824 (1 GiB) by default: several times what the largest tensors of
    /// networks for images take. A file of a few bytes can ask for any memory; more than this is refused before memory
    /// is taken.
    /// </summary>
    public long MaxValueSize { get; init; } = Network.DefaultMaxValueSize;

    /// <summary>
    /// The name of the only output that is kept, with what it is computed from, such as the scores of a network that
    /// gives features too; null, the default, keeps all outputs.
    /// </summary>
    public string? Output { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        if (MaxValueSize < 1)
        {
            throw OptionCheck.Error(
                nameof(MaxValueSize), MaxValueSize, $"{nameof(MaxValueSize)} is {MaxValueSize}; it must be at least 1.");
        }
    }
}
