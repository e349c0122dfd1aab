using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>A linear layer: <c>alpha op(A) op(B) + beta C</c>. op transposes or not, and C is broadcast.</summary>
internal sealed class Gemm : LayerOperator
{
    public Gemm(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        Alpha = attributes.Float("alpha", 1);
        Beta = attributes.Float("beta", 1);
        TransposeA = attributes.Integer("transA", 0) != 0;
        TransposeB = attributes.Integer("transB", 0) != 0;
    }

    public float Alpha { get; }

    public float Beta { get; }

    public bool TransposeA { get; }

    public bool TransposeB { get; }

    public override float ProductFactor => Alpha;

    public override float BiasFactor => Beta;

    public override int OutputAxis(int weightRank) => TransposeB ? 0 : 1;

    public override bool IsMatrixProduct(int weightRank) => !TransposeA && weightRank == 2;

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var (a, b, c) = (inputs[0]!, inputs[1]!, inputs.Optional(2));
        if (a.dim() != 2 || b.dim() != 2)
            throw new InvalidDataException("Gemm needs matrices.");
        a = TransposeA ? a.t() : a;
        b = TransposeB ? b.t() : b;
        context.CheckSize([a.shape[0], b.shape[1]], a.dtype);
        return [c is null ? Alpha == 1 ? a.mm(b) : a.mm(b).mul(Scalars.Keep(Alpha)) : c.addmm(a, b, Beta, Alpha)];
    }
}
