namespace Hdrq.Samples;

/// <summary>Which domains are served, and which of their networks are merged.</summary>
internal static class MergePlan
{
    /// <summary>The domains to serve.</summary>
    /// <param name="domains">All domains, the source's first.</param>
    /// <param name="wanted">Those asked for; null for all but the source's, or for both where there are two: one alone could not be merged.</param>
    /// <exception cref="ArgumentException">A domain is unknown or named twice.</exception>
    public static IReadOnlyList<string> Targets(IReadOnlyList<string> domains, IReadOnlyList<string>? wanted)
    {
        if (wanted is null)
            return domains.Count == 2 ? domains : [.. domains.Skip(1)];
        Check(wanted, domains, "--domains");
        return wanted;
    }

    /// <summary>The groups of domains whose networks are merged.</summary>
    /// <param name="targets">The domains to serve.</param>
    /// <param name="wanted">Groups such as <c>fog+night</c>, or <c>pairs</c> or <c>all</c>.</param>
    /// <exception cref="ArgumentException">A group has fewer than two domains, or one that is not served.</exception>
    public static IReadOnlyList<IReadOnlyList<string>> Groups(IReadOnlyList<string> targets, IReadOnlyList<string> wanted)
    {
        var groups = new List<IReadOnlyList<string>>();
        foreach (var text in wanted)
        {
            if (text == "all")
            {
                Add([.. targets]);
            }
            else if (text == "pairs")
            {
                for (var first = 0; first < targets.Count; first++)
                {
                    for (var second = first + 1; second < targets.Count; second++)
                        Add([targets[first], targets[second]]);
                }
            }
            else
            {
                var group = text.Split('+', StringSplitOptions.TrimEntries);
                Check(group, targets, "--merge");
                if (group.Length < 2)
                    throw new ArgumentException($"--merge {text}: it takes at least two domains, joined by +, or the words pairs or all.");
                Add(group);
            }
        }
        return groups;

        void Add(IReadOnlyList<string> group)
        {
            if (group.Count > 1 && !groups.Exists(other => other.ToHashSet().SetEquals(group)))
                groups.Add(group);
        }
    }

    private static void Check(IReadOnlyList<string> names, IReadOnlyList<string> known, string option)
    {
        if (names.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
            throw new ArgumentException($"{option}: there is no domain '{unknown}'; there are {string.Join(", ", known)}.");
        if (names.Distinct().Count() != names.Count)
            throw new ArgumentException($"{option}: a domain is named twice in {string.Join(", ", names)}.");
    }
}
