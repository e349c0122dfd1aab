using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Quantization;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Merging;

[TestClass]
public sealed class MergeFromFilesTests
{
    [TestMethod]
    public void Merging_files_is_merging_the_networks_bit_by_bit()
    {
        for (var bits = QuantizationRange.MinBits; bits <= QuantizationRange.MaxBits; bits++)
        {
            foreach (var perChannel in new[] { false, true })
            {
                using var a = Quantized(1, bits, perChannel);
                using var b = Quantized(2, bits, perChannel);
                using var fromA = Load(Save(a));
                using var fromB = Load(Save(b));
                var options = new MergeOptions { AllowDifferentSources = true };
                using var inMemory = NetworkMerger.Merge([a, b], options);
                using var fromFiles = NetworkMerger.Merge([fromA, fromB], options);
                MergeCase.AssertSame(inMemory, fromFiles);
                // The merged network is one of integers again, biases too, and its file holds all of it.
                Assert.IsTrue(IntegerNetwork.IsComplete(inMemory));
                Assert.IsNotEmpty(IntegerBias.Find(inMemory.Graph));
                using var again = Load(Save(inMemory));
                MergeCase.AssertSame(inMemory, again);
            }
        }
    }

    private static Network Quantized(int seed, int bits, bool perChannel)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var network = SmallNetworks.Residual();
        using (TorchSharp.torch.no_grad())
        {
            foreach (var definition in network.Graph.Parameters.Where(parameter => parameter.Role == ParameterRole.Weight))
                network.Parameters[definition.Name].add_(SmallNetworks.Random(seed, definition.Shape.ToArray()), 0.1);
        }
        return NetworkQuantizer.Quantize(network, SmallNetworks.Random(10 + seed, 8, 3, 8, 8), SmallNetworks.Nearest with { WeightBits = bits, ActivationBits = bits, PerChannel = perChannel }, seed: 1);
    }
}
