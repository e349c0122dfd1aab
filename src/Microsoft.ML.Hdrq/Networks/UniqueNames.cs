namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Names that are taken, and new ones beside them.</summary>
/// <param name="taken">The names that are taken already.</param>
internal sealed class UniqueNames(IEnumerable<string> taken)
{
    private readonly HashSet<string> _taken = taken.ToHashSet(StringComparer.Ordinal);
    private int _number;

    /// <summary>Takes a name, whether or not it was taken.</summary>
    public void Take(string name) => _taken.Add(name);

    /// <summary>A name that was not taken; from then on it is.</summary>
    /// <param name="stem">What it should look like.</param>
    /// <returns>The stem, with a number where the stem is taken.</returns>
    public string Fresh(string stem)
    {
        // The number never goes back, so that many equal stems cost no more than their number.
        var name = stem;
        while (!_taken.Add(name))
            name = $"{stem}_{++_number}";
        return name;
    }
}
