namespace Microsoft.ML.Hdrq.Tool.Data;

/// <summary>What a data folder holds of splits of domains.</summary>
/// <typeparam name="T">What stands for one image.</typeparam>
internal sealed class DomainFiles<T>
{
    private readonly DomainLayout _layout;
    private readonly Dictionary<(string Domain, DataSplit Split), IReadOnlyList<T>> _files = [];

    /// <summary>Scans all that is asked for and has labels.</summary>
    /// <param name="layout">Where the domains are.</param>
    /// <param name="scan">Scans one split's folder of a domain; the folder may not be there.</param>
    public DomainFiles(DomainLayout layout, Func<string, string, IReadOnlyList<T>> scan)
    {
        _layout = layout;
        foreach (var domain in layout.Domains)
        {
            foreach (var split in layout.Splits.Where(split => layout.HasLabels(domain, split)))
                _files.Add((domain, split), scan(domain, Path.Combine(layout.Root, domain, split.FolderName())));
        }
    }

    /// <summary>What one split of a domain holds.</summary>
    /// <exception cref="ArgumentException">The folder has no such domain, or the split was not asked for.</exception>
    public IReadOnlyList<T> this[string domain, DataSplit split] =>
        _files.TryGetValue((domain, split), out var files)
            ? files
            : throw new ArgumentException(
                $"'{_layout.Root}' has no {split.FolderName()} images of '{domain}'; it has "
                    + $"{string.Join(", ", _layout.Domains)}.", nameof(domain));
}
