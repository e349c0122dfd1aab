using BenchmarkDotNet.Running;
using Microsoft.ML.Hdrq.Benchmarks;

// These are timed in turns, which BenchmarkDotNet does not do.
if (args is ["reconstruction", ..])
    ReconstructionStepBenchmark.Run(Console.Out, repetitions: 9);
else if (args is ["integers", ..])
    IntegerScoringBenchmark.Run(Console.Out);
else
    BenchmarkSwitcher.FromAssembly(typeof(PipelineScoringBenchmark).Assembly).Run(args);
