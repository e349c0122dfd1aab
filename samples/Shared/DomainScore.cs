namespace Hdrq.Samples;

/// <summary>How well a network does in one domain.</summary>
/// <param name="Domain">The domain.</param>
/// <param name="Score">What the task measures, a fraction in [0, 1].</param>
internal readonly record struct DomainScore(string Domain, double Score);
