using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Layers;

/// <summary>What accumulates a Gram matrix of a layer's inputs.</summary>
internal interface IGramSum
{
    /// <summary>Adds inputs, [rows, inputs].</summary>
    void Add(torch.Tensor rows);

    /// <summary>Encodes the matrix as text for <see cref="InputGram.Decode"/>.</summary>
    string Encode();
}
