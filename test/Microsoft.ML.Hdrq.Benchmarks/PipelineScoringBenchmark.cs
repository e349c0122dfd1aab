using BenchmarkDotNet.Attributes;
using Microsoft.ML.Data;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Architectures;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;

namespace Microsoft.ML.Hdrq.Benchmarks;

/// <summary>
/// Scores 512 images of 3 x 32 x 32 in a pipeline: with ML.NET's own transformer, which runs ONNX Runtime row by row, and with ours.
/// The network is the ONNX file that the environment variable HDRQ_NETWORK names, or a ResNet-56 with random weights.
/// </summary>
[Config(typeof(InProcessConfig))]
[MemoryDiagnoser]
public class PipelineScoringBenchmark
{
    private const int RowCount = 512;

    private readonly MLContext _ml = new(1);
    private readonly string _path = Path.GetTempFileName();
    private Network _network = null!;
    private IDataView _data = null!;
    private ITransformer _rowByRow = null!;
    private NetworkTransformer _batches32 = null!;
    private NetworkTransformer _batches128 = null!;
    private string _input = "";
    private string _output = "";

    /// <summary>Makes the network, the data and the transformers.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _network = Environment.GetEnvironmentVariable("HDRQ_NETWORK") is { Length: > 0 } file ? Network.LoadOnnx(file) : ResNet.Cifar(56, 10, seed: 1);
        _network.SaveOnnx(_path);
        _input = _network.Graph.Inputs[0].Name;
        _output = _network.Graph.Outputs[0].Name;
        var random = new Random(1);
        var definition = SchemaDefinition.Create(typeof(Image));
        definition[0].ColumnName = _input;
        definition[0].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, 32, 32);
        var rows = Enumerable.Range(0, RowCount).Select(_ => new Image { Pixels = [.. Enumerable.Range(0, 3 * 32 * 32).Select(_ => random.NextSingle())] }).ToArray();
        _data = _ml.Data.LoadFromEnumerable(rows, definition);
        _rowByRow = _ml.Transforms.ApplyOnnxModel(_output, _input, _path).Fit(_data);
        _batches32 = Batches(32);
        _batches128 = Batches(128);
    }

    /// <summary>Frees what was made.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var transformer in new[] { _rowByRow, _batches32, _batches128 })
            (transformer as IDisposable)!.Dispose();
        _network.Dispose();
        File.Delete(_path);
    }

    /// <summary>ML.NET's transformer.</summary>
    [Benchmark(Baseline = true)]
    public double ApplyOnnxModel() => Read(_rowByRow);

    /// <summary>Ours, with the default batches.</summary>
    [Benchmark]
    public double ApplyNetworkInBatchesOf32() => Read(_batches32);

    /// <summary>Ours, with larger batches.</summary>
    [Benchmark]
    public double ApplyNetworkInBatchesOf128() => Read(_batches128);

    private NetworkTransformer Batches(int size) => _ml.Transforms.ApplyNetwork(_output, _input, _network, new() { BatchSize = size }).Fit(_data);

    private double Read(ITransformer transformer)
    {
        double sum = 0;
        foreach (var scores in transformer.Transform(_data).GetColumn<VBuffer<float>>(_output))
            sum += scores.GetItemOrDefault(0);
        return sum;
    }

    private sealed class Image
    {
        public float[] Pixels { get; set; } = [];
    }
}
