using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Jobs;

/// <summary>Which domains are served, and which of their networks are merged.</summary>
/// <param name="Targets">The domains to serve.</param>
/// <param name="Groups">The groups of domains whose networks are merged.</param>
internal sealed record MergePlan(IReadOnlyList<string> Targets, IReadOnlyList<IReadOnlyList<string>> Groups)
{
    /// <summary>Makes a plan.</summary>
    /// <param name="domains">All domains, the source's first.</param>
    /// <param name="targets">
    /// The domains to serve; null for all but the source's, or for both where there are two: one alone could not be
    /// merged.
    /// </param>
    /// <param name="merges">Groups such as <c>fog+night</c>, or <c>pairs</c> or <c>all</c>.</param>
    /// <exception cref="UsageException">
    /// A domain is unknown or named twice, or a group has fewer than two domains.
    /// </exception>
    public static MergePlan Of(
        IReadOnlyList<string> domains, IReadOnlyList<string>? targets, IReadOnlyList<string> merges)
    {
        if (targets is null)
            targets = domains.Count <= 2 ? domains : [.. domains.Skip(1)];
        else
            Check(targets, domains, "--domains");
        return new(targets, FindGroups(targets, merges));
    }

    private static List<IReadOnlyList<string>> FindGroups(IReadOnlyList<string> targets, IReadOnlyList<string> wanted)
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
                if (group.Length < 2)
                    throw new UsageException(
                        $"--merge {text}: it takes at least two domains, joined by +, or the words pairs or all.");
                Check(group, targets, "--merge");
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
            throw new UsageException(
                $"{option}: there is no domain '{unknown}'{(option == "--merge" ? " to merge" : "")}; there are "
                + $"{string.Join(", ", known)}.");
        if (names.Distinct().Count() != names.Count)
            throw new UsageException($"{option}: a domain is named twice in {string.Join(", ", names)}.");
    }
}
