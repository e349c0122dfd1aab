using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public sealed class ScalarsTests
{
    [TestMethod]
    public void Numbers_outlive_collections_of_garbage_by_other_threads()
    {
        using var stop = new CancellationTokenSource();
        var collector = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.Collect(0);
                Thread.Sleep(1);
            }
        });
        collector.Start();
        var (operations, wrong) = (0, 0);
        using var ones = torch.ones(4);
        try
        {
            // With numbers that TorchSharp converts itself, some operations a second fail or give another number.
            for (var watch = Stopwatch.StartNew(); watch.ElapsedMilliseconds < 3000 || operations < 500; operations++)
            {
                using var scope = torch.NewDisposeScope();
                var result = ones.add(ones, Scalars.One).add(Scalars.Keep(0.5), Scalars.One).mul(Scalars.Keep(3L)).clamp(Scalars.Keep(1f), Scalars.Keep(7));
                if (result[0].item<float>() != 7)
                    wrong++;
            }
        }
        finally
        {
            stop.Cancel();
            collector.Join();
        }
        Assert.AreEqual(0, wrong);
    }

    [TestMethod]
    public void Types_of_numbers_stay_what_they_are()
    {
        using var scope = torch.NewDisposeScope();
        var integers = torch.tensor(new long[] { 1, 2 });
        Assert.AreEqual(torch.ScalarType.Int64, integers.mul(Scalars.Keep(2)).dtype);
        Assert.AreEqual(torch.ScalarType.Int64, integers.add(Scalars.Keep(2L), Scalars.One).dtype);
        Assert.AreEqual(torch.ScalarType.Float32, integers.mul(Scalars.Keep(0.5)).dtype);
        Assert.AreEqual(torch.ScalarType.Bool, integers.ge(Scalars.Keep(1.5f)).dtype);
        CollectionAssert.AreEqual(new[] { true, true }, torch.full(2, Scalars.Keep(true), dtype: torch.ScalarType.Bool).data<bool>().ToArray());
    }
}
