using BenchmarkDotNet.Running;
using Microsoft.ML.Hdrq.Benchmarks;

// The steps are timed in turns, which BenchmarkDotNet does not do.
if (args is ["reconstruction", ..])
    ReconstructionStepBenchmark.Run(Console.Out, repetitions: 9);
else
    BenchmarkSwitcher.FromAssembly(typeof(PipelineScoringBenchmark).Assembly).Run(args);
