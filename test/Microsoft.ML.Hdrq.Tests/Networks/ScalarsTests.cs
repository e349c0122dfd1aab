using System.Diagnostics;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using Mono.Cecil;
using Mono.Cecil.Cil;
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
                var result = ones.add(ones, Scalars.One).add(Scalars.Keep(0.5), Scalars.One).mul(Scalars.Keep(3L))
                    .clamp(Scalars.Keep(1f), Scalars.Keep(7));
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

    /// <summary>BannedSymbols.txt names these methods one by one; this finds those that nobody thought of.</summary>
    [TestMethod]
    public void The_library_calls_nothing_that_makes_numbers_of_its_own()
    {
        using var torchSharp = AssemblyDefinition.ReadAssembly(typeof(torch).Assembly.Location);
        var callers = Methods(torchSharp).SelectMany(method => Called(method).Select(called => (method, called)))
            .ToLookup(pair => pair.called.FullName, pair => pair.method);
        var making = new HashSet<string>(StringComparer.Ordinal);
        var open = new Queue<string>(
            callers.Select(group => group.Key)
            .Where(name => name.StartsWith("TorchSharp.Scalar ", StringComparison.Ordinal)));
        Assert.IsNotEmpty(open);
        while (open.TryDequeue(out var called))
        {
            foreach (var caller in callers[called]
                .Where(caller => caller.ReturnType.FullName != "TorchSharp.Scalar" && making.Add(caller.FullName)))
                open.Enqueue(caller.FullName);
        }
        Assert.Contains("TorchSharp.torch/Tensor TorchSharp.torch/Tensor::square()", making);
        using var library = AssemblyDefinition.ReadAssembly(typeof(Network).Assembly.Location);
        var violations =
            from method in Methods(library)
            from called in Called(method)
            where making.Contains(called.FullName)
            select $"{method.FullName} calls {called.FullName}";
        Assert.IsEmpty(violations.Distinct(), string.Join('\n', violations.Distinct()));
    }

    private static IEnumerable<MethodDefinition> Methods(AssemblyDefinition assembly) =>
        assembly.MainModule.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody);

    private static IEnumerable<MethodReference> Called(MethodDefinition method) => method.Body.Instructions
        .Where(instruction => instruction.OpCode.Code is Code.Call or Code.Callvirt or Code.Newobj or Code.Ldftn)
        .Select(instruction => ((MethodReference)instruction.Operand).GetElementMethod());

    [TestMethod]
    public void Types_of_numbers_stay_what_they_are()
    {
        using var scope = torch.NewDisposeScope();
        var integers = torch.tensor(new long[] { 1, 2 });
        Assert.AreEqual(torch.ScalarType.Int64, integers.mul(Scalars.Keep(2)).dtype);
        Assert.AreEqual(torch.ScalarType.Int64, integers.add(Scalars.Keep(2L), Scalars.One).dtype);
        Assert.AreEqual(torch.ScalarType.Float32, integers.mul(Scalars.Keep(0.5)).dtype);
        Assert.AreEqual(torch.ScalarType.Bool, integers.ge(Scalars.Keep(1.5f)).dtype);
        CollectionAssert.AreEqual(new[] { true, true },
            torch.full(2, Scalars.Keep(true), dtype: torch.ScalarType.Bool).data<bool>().ToArray());
    }
}
