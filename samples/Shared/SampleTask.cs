namespace Hdrq.Samples;

/// <summary>What networks are asked to do, in the words of the results.</summary>
/// <param name="Name">The task's name in results.json.</param>
/// <param name="Score">What is measured, as a title begins.</param>
/// <param name="Scores">The same, several of them, within a sentence.</param>
internal sealed record SampleTask(string Name, string Score, string Scores);
