using BenchmarkDotNet.Running;
using Microsoft.ML.Hdrq.Benchmarks;

BenchmarkSwitcher.FromAssembly(typeof(PipelineScoringBenchmark).Assembly).Run(args);
