using System.Collections.Concurrent;
using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Torch;

[TestClass]
public sealed class HostMemoryTests
{
    private readonly int _threads = torch.get_num_threads();

    [TestCleanup]
    public void RestoreThreads() => torch.set_num_threads(_threads);

    [TestMethod]
    [DataRow(10, 10)]
    [DataRow(120_000, 120_000)]
    [DataRow(300_000, 100_000)]
    [DataRow(60_000, 20)]
    public void PiecesCoverEverythingOnceAndAreTheSameOnAnyNumberOfThreads(int count, int run)
    {
        var results = new[] { 1, 4 }.Select(threads =>
        {
            torch.set_num_threads(threads);
            var pieces = new ConcurrentBag<(long Piece, long Start, int Length)>();
            HostMemory.ForPieces(count, run, (start, length, piece) => pieces.Add((piece, start, length)));
            return pieces.Order().ToList();
        }).ToList();
        CollectionAssert.AreEqual(results[0], results[1]);
        Assert.HasCount((int)HostMemory.PieceCount(count, run), results[0]);
        long next = 0;
        foreach (var (piece, start, length) in results[0])
        {
            Assert.AreEqual(next, start);
            Assert.AreEqual(start / run, (start + length - 1) / run, $"Piece {piece} reaches into another run.");
            next += length;
        }
        Assert.AreEqual(count, next);
    }

    [TestMethod]
    public void ResultsDoNotDependOnWhichThreadIsFirst()
    {
        using var scope = torch.NewDisposeScope();
        using var workspace = new Workspace();
        const int Length = 1 << 15;
        // All values are above the range, and give the scale 7 times their gradients. Of sums of 2^60, 1, -2^60 and 1 a
        // double holds 1 in this order, and 0 or 2 in others.
        var values = torch.full([4 * Length], 100f).requires_grad_();
        var scale = torch.tensor(1f).requires_grad_();
        var gradient = torch.zeros(4 * Length);
        foreach (var (piece, sum) in new[] { 1L << 60, 1, -(1L << 60), 1 }.Index())
            gradient[piece * Length] = (float)sum;
        foreach (var threads in new[] { 1, 4 })
        {
            torch.set_num_threads(threads);
            for (var i = 0; i < 50; i++)
            {
                workspace.Reset();
                scale.grad = null;
                FusedRounding.Apply(values, scale,
                    new(new QuantizationRange(4, isSigned: true), 1, null, null, false, workspace))
                    .backward([gradient]);
                Assert.AreEqual(7, scale.grad!.item<float>());
            }
        }
    }
}
