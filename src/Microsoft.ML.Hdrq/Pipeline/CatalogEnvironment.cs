using System.Reflection;
using Microsoft.ML.Hdrq.Networks.Torch;
using Microsoft.ML.Runtime;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Pipeline;

/// <summary>
/// Gives estimators what ML.NET keeps internal: the environment behind a catalog, and the device that its context
/// selects. This is the only place that reads non-public members of ML.NET.
/// </summary>
internal static class CatalogEnvironment
{
    private const string Catalog = "Microsoft.ML.Data.IInternalCatalog";
    private const string Environment = "Microsoft.ML.Runtime.IHostEnvironmentInternal";

    /// <summary>The environment of the context that a catalog belongs to.</summary>
    /// <exception cref="NotSupportedException">This version of ML.NET keeps it elsewhere.</exception>
    public static IHostEnvironment Of(object catalog) =>
        Read(catalog, Catalog, "Environment") as IHostEnvironment ?? throw Moved($"{Catalog}.Environment");

    /// <summary>The device that the options select or, if they do not, the context.</summary>
    /// <exception cref="InvalidOperationException">
    /// The GPU is not available, and the CPU must not be used instead.
    /// </exception>
    public static torch.Device Device(IHostEnvironment environment, int? gpuDeviceId, bool? fallbackToCpu) =>
        TorchRuntime.ResolveDevice(
            gpuDeviceId ?? GpuDeviceId(environment), fallbackToCpu ?? FallbackToCpu(environment));

    /// <summary>The context's <see cref="MLContext.GpuDeviceId"/> as it is now.</summary>
    public static int? GpuDeviceId(IHostEnvironment environment) =>
        environment is MLContext context
            ? context.GpuDeviceId
            : (int?)Read(environment, Environment, nameof(MLContext.GpuDeviceId));

    /// <summary>The context's <see cref="MLContext.FallbackToCpu"/> as it is now.</summary>
    public static bool FallbackToCpu(IHostEnvironment environment) =>
        environment is MLContext context
            ? context.FallbackToCpu
            : Read(environment, Environment, nameof(MLContext.FallbackToCpu)) as bool?
                ?? throw Moved($"{Environment}.FallbackToCpu");

    private static object? Read(object instance, string contract, string property)
    {
        const BindingFlags any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
        var declaration = instance.GetType().GetInterface(contract)?.GetProperty(property, any);
        return declaration is null ? throw Moved($"{contract}.{property}") : declaration.GetValue(instance);
    }

    private static NotSupportedException Moved(string member) =>
        new($"This version of Microsoft.ML ({typeof(MLContext).Assembly.GetName().Version}) has no {member}; "
            + "use the version that this library was built for.");
}
