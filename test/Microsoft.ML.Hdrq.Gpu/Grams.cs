using Microsoft.ML.Hdrq.Networks.Layers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Gpu;

/// <summary>The Gram matrices of layers' inputs.</summary>
internal static class Grams
{
    public static void Run(Setting setting)
    {
        using var network = Setting.ResNet20();
        using var there = network.To(setting.Device);
        var images = Setting.Random(7, 32, 3, 32, 32);
        InputGrams.Collect(network, images, 16, setting.Limit);
        InputGrams.Collect(there, images, 16, setting.Limit);
        var layers = network.Graph.Layers.MatrixProducts.ToList();
        double largest = 0;
        foreach (var layer in layers)
        {
            using var scope = torch.NewDisposeScope();
            var shape = layer.Parameter!.Shape;
            // The last layer of these networks has its weight transposed.
            var size = shape.Length == 4 ? shape[1] * shape[2] * shape[3] : shape[1];
            var (expected, actual) = (Whole(network), Whole(there));
            largest = Math.Max(largest, Setting.Difference(expected, actual));

            torch.Tensor Whole(Networks.Network of)
            {
                var gram = InputGrams.Read(of.Metadata, layer.Weight, size)
                    ?? throw new InvalidDataException($"There is no matrix of {size} inputs for {layer.Weight}.");
                return gram.Rest.diag().add(gram.Factor.matmul(gram.Factor.t()), Networks.Torch.Scalars.One);
            }
        }
        setting.Log.Check($"matrices of {layers.Count} layers", largest < 5e-2, $"{largest:E1} from the CPU's");
    }
}
