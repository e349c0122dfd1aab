namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>How far the reconstruction of a quantized network is.</summary>
/// <param name="Block">The name of the block that is trained: that of its first weighted layer.</param>
/// <param name="BlockIndex">The block's number, from 0.</param>
/// <param name="Blocks">The number of blocks.</param>
/// <param name="Step">Steps done in this block, from 1.</param>
/// <param name="Steps">Steps for each block.</param>
/// <param name="Loss">The loss of the last step.</param>
public readonly record struct QuantizationProgress(string Block, int BlockIndex, int Blocks, int Step, int Steps, double Loss);
