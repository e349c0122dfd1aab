using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using TorchSharp.Modules;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Adam and the distances in three launches for all parameters together (Reconstruction.cu): Torch's own Adam makes ten
/// launches for each parameter, which takes longer than the convolutions of a block.
/// </summary>
internal sealed class CudaBlockOptimizer : BlockOptimizer
{
    /// <summary>The maximum number of parameters in a launch; as GRADIENTS in the source.</summary>
    private const int MaxGradients = 256;

    private const float Decay1 = 0.9f;
    private const float Decay2 = 0.999f;
    private const float Epsilon = 1e-8f;

    private readonly CudaKernels _kernels;
    private readonly Parameter[] _parameters;
    private readonly List<torch.Tensor> _moments = [];
    private readonly torch.Tensor _learned;
    private readonly torch.Tensor _pairs;
    private readonly torch.Tensor _coefficients;
    private readonly torch.Tensor _distancePieces;
    private readonly torch.Tensor _distanceSums;
    private readonly torch.Tensor _norms;
    private readonly List<(int First, int Count, torch.Tensor Pieces)> _launches = [];
    private readonly int _pairCount;
    private int _steps;

    public CudaBlockOptimizer(Learned learned, CudaKernels kernels)
    {
        _kernels = kernels;
        _parameters = [.. learned.All];
        using var noGradients = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var device = _parameters.Length > 0 ? _parameters[0].device : torch.CPU;

        var pairs = learned.Distances;
        _pairCount = pairs.Count;
        var (pairRows, distancePieces) = (new List<long>(), new List<long>());
        for (var pair = 0; pair < pairs.Count; pair++)
        {
            var firstPiece = distancePieces.Count / 3;
            var pieceCount = AddPieces(distancePieces, pair, pairs[pair].Weight);
            pairRows.AddRange(
                CudaKernels.Address(pairs[pair].Weight),
                CudaKernels.Address(pairs[pair].Reference),
                firstPiece,
                pieceCount,
                BitConverter.DoubleToInt64Bits(pairs[pair].Coefficient));
        }

        var activationScales = learned.ActivationScales.ToHashSet<torch.Tensor>(ReferenceEqualityComparer.Instance);
        var scales = learned.Scales.ToHashSet<torch.Tensor>(ReferenceEqualityComparer.Instance);
        var rows = new List<long>();
        foreach (var parameter in _parameters)
        {
            var own = Enumerable.Range(0, pairs.Count)
                .Where(pair => ReferenceEquals(pairs[pair].Weight, parameter))
                .ToList();
            if (own.Count > 2)
                throw new ArgumentException("A weight can stay near two others at most.", nameof(learned));
            var first = torch.zeros_like(parameter).DetachFromDisposeScope();
            var second = torch.zeros_like(parameter).DetachFromDisposeScope();
            _moments.AddRange([first, second]);
            rows.AddRange(
                CudaKernels.Address(parameter),
                CudaKernels.Address(first),
                CudaKernels.Address(second),
                own.Count > 0 ? own[0] : -1,
                own.Count > 1 ? own[1] : -1,
                activationScales.Contains(parameter) ? 1 : 0,
                scales.Contains(parameter) ? 1 : 0);
        }
        for (var first = 0; first < _parameters.Length; first += MaxGradients)
        {
            var count = Math.Min(MaxGradients, _parameters.Length - first);
            var pieces = new List<long>();
            for (var i = first; i < first + count; i++)
                AddPieces(pieces, i, _parameters[i]);
            _launches.Add((first, count, OnDevice(pieces)));
        }
        _learned = OnDevice(rows);
        _pairs = OnDevice(pairRows);
        _distancePieces = OnDevice(distancePieces);
        _coefficients = torch.tensor(pairs.Select(pair => (float)pair.Coefficient).ToArray(), device: device)
            .DetachFromDisposeScope();
        _distanceSums = torch.empty(distancePieces.Count / 3, torch.ScalarType.Float64, device)
            .DetachFromDisposeScope();
        _norms = torch.zeros(_pairCount, torch.ScalarType.Float32, device).DetachFromDisposeScope();

        torch.Tensor OnDevice(List<long> values) =>
            torch.tensor(values.ToArray(), device: device).DetachFromDisposeScope();

        static long AddPieces(List<long> pieces, int number, torch.Tensor tensor)
        {
            var (count, added) = (tensor.numel(), 0L);
            for (long start = 0; start < count; start += CudaRounding.PieceLength, added++)
                pieces.AddRange(number, start, Math.Min(CudaRounding.PieceLength, count - start));
            return added;
        }
    }

    public override void ZeroGradients()
    {
        foreach (var parameter in _parameters)
            parameter.grad = null;
    }

    public override torch.Tensor AddDistances(torch.Tensor loss)
    {
        if (_pairCount == 0)
            return loss;
        _kernels.Launch(
            "squared_distances",
            _distanceSums.numel(),
            CudaKernels.Threads,
            _distancePieces,
            _pairs,
            _distanceSums);
        _kernels.Launch("distance_norms", _pairCount, CudaKernels.Threads, _pairs, _distanceSums, _norms);
        // A constant for the gradient: the kernel adds the distances' own.
        using var noGradients = torch.no_grad();
        var distances = _norms.dot(_coefficients);
        using var gradients = torch.enable_grad();
        return loss.add(distances, Scalars.One);
    }

    public override void Step(double weightRate, double activationScaleRate)
    {
        _steps++;
        var bias1 = 1 - Math.Pow(Decay1, _steps);
        var bias2 = Math.Sqrt(1 - Math.Pow(Decay2, _steps));
        Span<nint> gradients = stackalloc nint[MaxGradients];
        foreach (var (first, count, pieces) in _launches)
        {
            gradients.Clear();
            for (var i = 0; i < count; i++)
            {
                if (_parameters[first + i].grad is not { } gradient)
                    continue;
                if (!gradient.is_contiguous())
                    gradient = gradient.contiguous();
                gradients[i] = CudaKernels.Address(gradient);
            }
            _kernels.Launch(
                "adam",
                pieces.numel() / 3,
                CudaKernels.Threads,
                gradients,
                [
                    pieces,
                    _learned,
                    _pairs,
                    _norms,
                    (uint)first,
                    (float)(weightRate / bias1),
                    (float)(activationScaleRate / bias1),
                    (float)bias2,
                    Decay1,
                    Decay2,
                    Epsilon,
                    (float)RangeObserver.MinScale,
                ]);
        }
    }

    public override void Dispose()
    {
        _moments.ForEach(moment => moment.Dispose());
        _launches.ForEach(launch => launch.Pieces.Dispose());
        foreach (var tensor in new[] { _learned, _pairs, _coefficients, _distancePieces, _distanceSums, _norms })
            tensor.Dispose();
    }
}
