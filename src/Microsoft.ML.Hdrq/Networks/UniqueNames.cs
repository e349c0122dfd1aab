namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Makes names that are not taken yet.</summary>
/// <param name="taken">The names that are taken already.</param>
internal sealed class UniqueNames(IEnumerable<string> taken)
{
    private readonly HashSet<string> _taken = taken.ToHashSet(StringComparer.Ordinal);
    private int _number;

    /// <summary>Marks a name as taken, whether or not it was.</summary>
    public void Take(string name) => _taken.Add(name);

    /// <summary>Makes a name that was not taken, and takes it.</summary>
    /// <param name="stem">The desired name.</param>
    /// <returns>The stem, or the stem with a number where it is taken.</returns>
    public string Fresh(string stem)
    {
        // The number only grows, so that many equal stems take linear time.
        var name = stem;
        while (!_taken.Add(name))
            name = $"{stem}_{++_number}";
        return name;
    }
}
