namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>The progress of the reconstruction of a quantized network.</summary>
public readonly struct QuantizationProgress
{
    internal QuantizationProgress(string block, int blockIndex, int blocks, int step, int steps, double loss)
    {
        Block = block;
        BlockIndex = blockIndex;
        Blocks = blocks;
        Step = step;
        Steps = steps;
        Loss = loss;
    }

    /// <summary>The name of the block that is being trained, which is the name of its first weighted layer.</summary>
    public string Block { get; }

    /// <summary>The zero-based index of the block.</summary>
    public int BlockIndex { get; }

    /// <summary>The number of blocks.</summary>
    public int Blocks { get; }

    /// <summary>The number of steps done in this block, at least 1.</summary>
    public int Step { get; }

    /// <summary>The number of steps for each block.</summary>
    public int Steps { get; }

    /// <summary>The loss of the last step.</summary>
    public double Loss { get; }
}
