namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How far the reconstruction of a quantized network is.</summary>
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

    /// <summary>The name of the block that is trained: that of its first weighted layer.</summary>
    public string Block { get; }

    /// <summary>The block's number, from 0.</summary>
    public int BlockIndex { get; }

    /// <summary>The number of blocks.</summary>
    public int Blocks { get; }

    /// <summary>Steps done in this block, from 1.</summary>
    public int Step { get; }

    /// <summary>Steps for each block.</summary>
    public int Steps { get; }

    /// <summary>The loss of the last step.</summary>
    public double Loss { get; }
}
