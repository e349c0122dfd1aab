using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Torch;

/// <summary>Operations on vectors that are kept as one tensor per weight.</summary>
internal static class Vectors
{
    public static double Dot(IEnumerable<torch.Tensor> a, IEnumerable<torch.Tensor> b)
    {
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        return a
            .Zip(b, (x, y) => x.to(torch.ScalarType.Float64).mul(y.to(torch.ScalarType.Float64)).sum().item<double>())
            .Sum();
    }

    public static double Norm(IEnumerable<torch.Tensor> vector) => Math.Sqrt(Dot(vector, vector));

    /// <summary>Random signs, each with probability 1/2 (the Rademacher distribution).</summary>
    public static torch.Tensor[] Signs(IEnumerable<torch.Tensor> like, torch.Generator generator) =>
        [
            .. like.Select(tensor => torch.rand(tensor.shape, generator: generator)
                .ge(Scalars.Keep(0.5))
                .to(torch.ScalarType.Float32)
                .mul(Scalars.Keep(2))
                .sub(Scalars.Keep(1))
                .to(tensor.device)),
        ];

    /// <summary>The vector scaled to length 1, and its original length.</summary>
    public static (torch.Tensor[] Unit, double Norm) Normalized(IReadOnlyList<torch.Tensor> vector)
    {
        var norm = Norm(vector);
        return (norm > 0 ? [.. vector.Select(part => part.div(Scalars.Keep(norm)))] : [.. vector], norm);
    }
}
