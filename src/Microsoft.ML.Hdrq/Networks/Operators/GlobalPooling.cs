using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>Reduces all spatial dimensions to size 1.</summary>
internal sealed class GlobalPooling(
    string type,
    OperatorAttributes attributes,
    Func<torch.Tensor, long[], torch.Tensor> reduce) : Operator(type, attributes)
{
    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var data = inputs[0]!;
        if (data.dim() < 3)
            throw new InvalidDataException("Global pooling needs spatial dimensions.");
        return [reduce(data, [.. Enumerable.Range(2, (int)data.dim() - 2).Select(axis => (long)axis)])];
    }
}
